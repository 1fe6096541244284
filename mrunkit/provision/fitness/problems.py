"""What keeps a lab from being set up, decided from what was seen of its hosts.

Owns the decision and its words, likely cause and remedy included. Looks at nothing itself and
imports nothing of Ansible: values in, problems out, all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mrunkit.provision.fitness.found import (
    Check,
    Settings,
    enumerated,
    parse_host,
    release_of,
    with_probe,
)
from mrunkit.provision.fitness.inventory_checks import (
    check_addresses,
    check_duplicates,
    check_groups,
    check_left_out,
    check_mesos,
    check_reach,
    check_subnet,
    check_user,
)
from mrunkit.provision.fitness.kernel_checks import check_cgroups, check_docker, check_kernel
from mrunkit.provision.fitness.machine_checks import (
    check_become,
    check_clocks,
    check_python,
    check_share,
    check_space,
    check_system,
    check_taken,
)

RETIRED = {("centos", "7")}
"""Supported all the same, for old experiments."""


CHECKS: tuple[Check, ...] = (
    check_groups,
    check_reach,
    check_become,
    check_python,
    check_system,
    check_user,
    check_addresses,
    check_left_out,
    check_duplicates,
    check_clocks,
    check_space,
    check_share,
    check_taken,
    check_kernel,
    check_docker,
    check_cgroups,
    check_mesos,
    check_subnet,
)
"""In the order in which one would mend what they find."""


def lab_problems(
    seen: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """All problems of a lab: `seen` is what the play registered, by host."""
    hosts = [parse_host(name, host) for name, host in seen.items()]
    wanted = Settings(**settings)
    problems = (problem for check in CHECKS for problem in check(hosts, wanted))
    return [asdict(problem) for problem in problems if problem.check not in wanted.skip]


def lab_problems_text(problems: Sequence[Mapping[str, Any]]) -> str:
    """Problems for people: hosts with the same problem together, the remedy beneath it."""
    same: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for item in problems:
        same[item["check"], item["problem"], item["remedy"]] += [item["host"] or "inventory"]
    count = "1 problem" if len(same) == 1 else f"{len(same)} problems"
    lines = [f"{count} found before anything was changed on any host:"]
    for (check, problem, remedy), hosts in same.items():
        lines += ["", f"{enumerated(hosts)}: {problem} [{check}]", f"  Remedy: {remedy}"]
    return "\n".join(lines)


def lab_retired_hosts(seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts whose system gets no updates any more."""
    probed = with_probe([parse_host(name, host) for name, host in seen.items()])
    systems = ((host.name, probe["system"]) for host, probe in probed)
    return [name for name, system in systems if release_of(system) in RETIRED]
