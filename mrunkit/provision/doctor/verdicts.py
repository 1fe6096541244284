"""Checks, and what is said of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mrunkit.provision.names import shortened

SHOWN_PROBLEMS = 6
"""Of one check, as text."""
SHOWN_HOSTS = 5


class Check(Enum):
    """What is looked at, in this order."""

    LOGIN = "login"
    """All hosts are reached, with root's rights."""
    CLOCKS = "clocks"
    """Kept by NTP, and together."""
    DISK = "disk"
    """There is room."""
    NOFILE = "nofile"
    """Processes may open enough files."""
    VERSIONS = "versions"
    """Docker, MPICH and Mesos are the same everywhere."""
    SSH = "ssh"
    """The lab's user gets from every host to every other, or to some of many."""
    SHARE = "share"
    """What one host writes, all read."""
    SWARM = "swarm"
    """All nodes are ready, all managers reachable."""
    IMAGE = "image"
    """The same image everywhere."""
    OVERLAY = "overlay"
    """Containers on different hosts reach each other."""
    ENCRYPTION = "encryption"
    """What they say cannot be read on the wire."""
    MTU = "mtu"
    """A packet as large as the network's MTU arrives whole."""
    AGENTS = "agents"
    """All are registered, with the resources that they should have."""
    MPI = "mpi"
    """A job over all agents that take tasks."""


class Outcome(Enum):
    """How a check ends."""

    PASS = "pass"
    """It holds."""
    FAIL = "fail"
    """It does not hold, or could not be made."""
    SKIP = "skip"
    """It was not wanted, or the lab has no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, with what to do about it."""

    what: str
    remedy: str
    host: str | None = None
    """None: it is not one host's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of a check; one that fails may have several."""

    check: Check
    outcome: Outcome
    seen: str
    remedy: str | None = None


def judged(check: Check, problems: Iterable[Problem], *, seen: str) -> list[Verdict]:
    """Pass with what was seen; or fail with each problem, for all hosts that have it at once."""
    hosts_by_problem: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        hosts = hosts_by_problem.setdefault((problem.what, problem.remedy), [])
        hosts += [problem.host] if problem.host is not None else []
    if not hosts_by_problem:
        return [Verdict(check=check, outcome=Outcome.PASS, seen=seen)]
    return [
        Verdict(
            check=check,
            outcome=Outcome.FAIL,
            seen=f"{named(hosts)}: {what}" if hosts else what,
            remedy=remedy,
        )
        for (what, remedy), hosts in hosts_by_problem.items()
    ]


def skipped(check: Check, reason: str) -> list[Verdict]:
    """Say why a check is not made."""
    return [Verdict(check=check, outcome=Outcome.SKIP, seen=reason)]


def differing(what: str, values: Mapping[str, str], *, remedy: str) -> list[Problem]:
    """The problem that hosts differ in a value, if they do; the most common one first."""
    hosts_by_value: dict[str, list[str]] = {}
    for host, value in values.items():
        hosts_by_value.setdefault(value, []).append(host)
    if len(hosts_by_value) <= 1:
        return []
    ordered = sorted(hosts_by_value.items(), key=lambda pair: -len(pair[1]))
    told = ", ".join(f"{value} on {named(names)}" for value, names in ordered)
    return [Problem(what=f"{what} differs: {told}", remedy=remedy)]


def named(hosts: Sequence[str]) -> str:
    """Hosts as text, each once, and not all of many."""
    return shortened(list(dict.fromkeys(hosts)), most=SHOWN_HOSTS, spare=1)


def lines(verdicts: Sequence[Verdict]) -> list[str]:
    """The verdicts of one check as text."""
    width = max(len(check.value) for check in Check)
    shown = [
        f"{verdict.outcome.value}  {verdict.check.value:{width}}  {verdict.seen}"
        + (f"  -> {verdict.remedy}" if verdict.remedy else "")
        for verdict in verdicts[:SHOWN_PROBLEMS]
    ]
    if len(verdicts) > SHOWN_PROBLEMS:
        more = len(verdicts) - SHOWN_PROBLEMS
        shown.append(f"fail  {verdicts[0].check.value:{width}}  and {more} more (see --json)")
    return shown


def to_json(verdict: Verdict) -> dict[str, str | None]:
    """A verdict as `--json` has it."""
    return {
        "check": verdict.check.value,
        "outcome": verdict.outcome.value,
        "seen": verdict.seen,
        "remedy": verdict.remedy,
    }
