"""A problem, and what a check looks at: the hosts as they were found, and what the lab is to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mrunkit.provision.names import shortened

_NAMED = 8
"""So many names are told; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to mend before anything is set up."""

    check: str
    """Which check found it; validate_skip leaves it out."""
    host: str | None
    """None: it is about the inventory as a whole."""
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host as it was found."""

    name: str
    unreachable: str | None
    """Why it cannot be reached."""
    become_error: str | None
    """Why root's rights cannot be had."""
    pythons: tuple[tuple[str, tuple[int, ...]], ...]
    """Path and version of each Python."""
    probe_error: str | None
    probe: Mapping[str, Any] | None
    """What lab_probe told; None where it could not run."""
    answered: float
    """When lab_probe's answer was there, by this machine's clock."""
    address: str
    """By which the other hosts reach it; empty: none was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the lab is to be."""

    ansible: str
    groups: Mapping[str, Sequence[str]]
    known_addresses: Mapping[str, str]
    """Of the hosts that are left out of this run, from an earlier one."""
    user: str
    interface: str
    share: str
    has_nfs: bool
    subnet: str
    is_encrypted: bool
    docker_source: str
    docker_version: str
    """Which is asked for, or its beginning."""
    docker_max_major: str
    """Empty: any."""
    docker_repository_url: str
    """Empty: Docker's own."""
    docker_is_upgraded: bool
    is_mesos_placed: bool
    """The inventory says where it comes from, or no step of this run needs it."""
    needs_cgroups_v1: bool
    """Its agents are to be Apache Mesos' own, and run containers."""
    clock_tolerance: float
    free_mib: Mapping[str, int]
    skip: Sequence[str]

    @property
    def storage_host(self) -> str | None:
        """Who exports the share."""
        return next(iter(self.members("storage") or self.members("masters")), None)

    def members(self, group: str) -> Sequence[str]:
        """A group's hosts; a group that is not there has none."""
        return self.groups.get(group, ())


Check = Callable[[Sequence[Host], Settings], Iterable[Problem]]


def parse_host(name: str, seen: Mapping[str, Any]) -> Host:
    """A host, from what the play registered of it."""
    reached, tried, probed = seen["reached"], seen["tried"], seen["probed"]
    unreachable = str(reached.get("msg", "no answer")) if reached.get("unreachable") else None
    became = reached.get("rc") == 0
    probe = probed.get("probe")
    return Host(
        name=name,
        unreachable=unreachable,
        become_error=None if unreachable or became else _said(reached),
        pythons=tuple(_pythons(str((reached if became else tried).get("stdout", "")))),
        probe_error=None if probe or probed.get("skipped") else _said(probed),
        probe=probe,
        answered=float(probed.get("answered") or 0),
        address=str(seen.get("address") or ""),
    )


def _pythons(output: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Lines such as `python /usr/bin/python3 Python 3.11.2`, amid whatever a login prints."""
    for path, version in re.findall(r"^python (\S+) Python (\d+\.\d+)", output, re.MULTILINE):
        yield path, tuple(map(int, version.split(".")))


def _said(result: Mapping[str, Any]) -> str:
    texts = [str(result.get(key, "")) for key in ("stderr", "module_stderr", "stdout", "msg")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return next((line for line in lines if line and not line.startswith("Shared conn")), "?")


def with_probe(hosts: Sequence[Host]) -> Iterator[tuple[Host, Mapping[str, Any]]]:
    """The hosts that lab_probe has seen, with what it told."""
    return ((host, host.probe) for host in hosts if host.probe is not None)


def of_inventory(check: str, problem: str, remedy: str) -> Problem:
    """A problem of the inventory as a whole."""
    return Problem(check=check, host=None, problem=problem, remedy=remedy)


def release_of(system: Mapping[str, str]) -> tuple[str, str]:
    """A system and its major version."""
    return system.get("ID", ""), system.get("VERSION_ID", "").split(".")[0]


def enumerated(names: Sequence[str]) -> str:
    """Names for a sentence, the first of many."""
    return shortened(names, most=_NAMED)
