"""Checks of each host's kernel and Docker: what the share, the network and Mesos need of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrunkit.provision.fitness.found import Host, Problem, Settings, release_of, with_probe
from mrunkit.provision.fitness.machine_checks import REDHAT_LIKE

ENCRYPTION_MATCHES = ("xt_bpf", "xt_u32")
"""Docker sorts out what is to be encrypted with one of them."""
BPF_SINCE = (20, 10, 24)
BPF_SINCE_IN_23 = (23, 0, 3)
"""With these it began to try bpf where there is no u32 (CVE-2023-28840 and its like)."""
BPF_ALONE_SINCE = (25, 0, 0)
"""By now it takes bpf and nothing else (moby#45281)."""
OLDEST_DOCKER = {
    ("debian", "13"): {"distribution": 26, "repository": 28},
    ("ubuntu", "24.04"): {"repository": 26},
}
"""Major versions with which Docker's sources begin, where that is later than 25."""


def check_kernel(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The kernel has what the share and the overlay network are made of."""
    for host, probe in with_probe(hosts):
        kernel = probe["kernel"]
        lacking = {name for name, answer in kernel["features"].items() if answer == "no"}
        for check, module, purpose in _asked_of_kernel(host, settings):
            alternatives = module.split("|")
            if not lacking.issuperset(alternatives):
                continue
            yield Problem(
                check=check,
                host=host.name,
                problem=f"its kernel {kernel['release']} has no {' nor '.join(alternatives)},"
                f" which {purpose} needs",
                remedy=_kernel_remedy(kernel, probe["system"], check, module),
            )


def _asked_of_kernel(host: Host, settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.has_nfs and host.name == settings.storage_host:
        yield "nfs", "nfsd", f"exporting {settings.share}"
    elif settings.has_nfs:
        yield "nfs", "nfsv4", f"mounting {settings.share}"
    yield "vxlan", "vxlan", "the overlay network"
    if settings.is_encrypted:
        yield "encryption", "esp4", "the overlay network's encryption"
        docker = _coming_docker(host, settings)
        engine = f" by Docker {docker}" if docker else ""
        matches = "|".join(_encryption_matches(docker_numbers(docker)))
        yield "encryption", matches, f"the overlay network's encryption{engine}"


def _coming_docker(host: Host, settings: Settings) -> str:
    """The version that the host will have; empty: the newest that is to be had."""
    there = str(host.probe["docker"]) if host.probe else ""
    return settings.docker_version if not there or settings.docker_is_upgraded else there


def docker_numbers(version: str) -> tuple[int, ...]:
    """Three; where less are told it is the newest that begins so."""
    told = re.match(r"(?:\d+:)?([\d.]*)", version)
    numbers = [int(number) for number in re.findall(r"\d+", told[1] if told else "")]
    return (*numbers, 999, 999, 999)[:3] if numbers else ()


def _encryption_matches(docker: tuple[int, ...]) -> Sequence[str]:
    if not docker:
        return ENCRYPTION_MATCHES
    if docker < BPF_SINCE or (23,) < docker < BPF_SINCE_IN_23:
        return ("xt_u32",)
    return ("xt_bpf",) if docker >= BPF_ALONE_SINCE else ENCRYPTION_MATCHES


def _kernel_remedy(
    kernel: Mapping[str, Any], system: Mapping[str, str], check: str, module: str
) -> str:
    if kernel["is_replaced"]:
        return "reboot it: its modules are gone from the disk, as after an upgrade of the kernel"
    if module == "xt_u32":
        return "let Docker be 20.10.24, 23.0.3 or later, which needs none: -e docker_upgrade=true"
    instead = {
        "nfs": ", or share the directory some other way and set nfs_provides_share: false",
        "encryption": ", or set lab_network_is_encrypted: false where the wire is trusted",
    }.get(check, "")
    # All its modules are in the package of the kernel itself.
    if release_of(system) == ("centos", "7"):
        return f"boot a kernel of the distribution: yum install kernel{instead}"
    if system.get("ID") in REDHAT_LIKE:
        return f"dnf install kernel-modules-extra, and reboot if it brings a kernel{instead}"
    if system.get("ID") == "ubuntu":
        return f"apt-get install linux-modules-extra-$(uname -r){instead}"
    return f"boot a kernel of the distribution: apt-get install linux-image-amd64{instead}"


def check_docker(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Docker is, or will be, one that the lab's Mesos works with."""
    if not settings.docker_max_major:
        return
    most = int(settings.docker_max_major)
    source = settings.docker_source or "distribution"
    is_own = source == "repository" and bool(settings.docker_repository_url)
    for host, probe in with_probe(hosts):
        system = probe["system"].get("ID", ""), probe["system"].get("VERSION_ID", "")
        oldest_by_source = OLDEST_DOCKER.get(system, {})
        oldest = 0 if is_own else oldest_by_source.get(source, 0)
        there = docker_numbers(probe["docker"])
        if there:
            is_fit, seen = there[0] <= most, f"Docker {probe['docker']}"
        else:
            is_fit, seen = oldest <= most, f"no Docker, and its {source} none before {oldest}"
        if is_fit:
            continue
        ways = [
            *_ways_to_older_docker(
                oldest_by_source, has_older=oldest <= most, is_there=bool(there)
            ),
            "take the maintained fork of Mesos (mesos_package=aventer-mesos, and"
            " docker_max_major='' if that is set)",
        ]
        yield Problem(
            check="docker",
            host=host.name,
            problem=f"has {seen}; docker_max_major is {most}, as agents of Apache Mesos start no"
            " container with a newer one",
            remedy=", or ".join(ways),
        )


def _ways_to_older_docker(
    oldest_by_source: Mapping[str, int], *, has_older: bool, is_there: bool
) -> Iterator[str]:
    """How to get one that is old enough, if the system's sources have any."""
    if has_older:  # and there is a newer one
        yield "remove it"
    elif "distribution" not in oldest_by_source:
        yield ("remove it and " if is_there else "") + "leave docker_source out"


def check_cgroups(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """An agent of Apache Mesos does not start where it finds no hierarchy for processors."""
    if not settings.needs_cgroups_v1:
        return
    for host, probe in with_probe(hosts):
        if host.name in settings.members("agents") and not probe["has_cgroups_v1"]:
            yield Problem(
                check="cgroups",
                host=host.name,
                problem="has cgroup v2 only, and agents of Apache Mesos run containers with v1",
                remedy="boot it with systemd.unified_cgroup_hierarchy=0 on its kernel's command"
                " line (from systemd 256 on with SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1, too), or"
                " take the maintained fork of Mesos (mesos_package=aventer-mesos)",
            )
