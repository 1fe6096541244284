"""What an embedded cluster looks like, and how the command line says it.

Owns the sizes and timings of a cluster. Starts nothing.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mrunkit.errors import UsageError
from mrunkit.scheduler.resources import PortRange, Resources

LEAST_AGENTS = 4
"""`local` alone always has this many: fewer would not show placement at work."""

LEAST_CPUS = 8.0
LEAST_MEM = 4096.0  # MB

MOST_AGENTS = 200
"""Agents have addresses 127.0.1.N; beyond this a mistyped number is likelier than a wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """Sizes and timings of an embedded cluster; the defaults are a real Mesos master's.

    `attributes` maps an agent's number, from 1, to its attributes. Times are in seconds.
    """

    agents: int = LEAST_AGENTS
    cpus: float = LEAST_CPUS
    mem: float = LEAST_MEM  # MB
    disk: float = 10000.0  # MB
    gpus: float = 0.0
    ports: tuple[PortRange, ...] = ((31000, 31999),)
    attributes: Mapping[int, Mapping[str, str | float]] = field(default_factory=dict)
    port: int = 0
    """Port of the master on 127.0.0.1; 0 takes a free one."""
    allocation_interval: float = 1.0
    heartbeat_interval: float = 15.0
    offer_timeout: float | None = None
    """An offer held longer than this is rescinded; None lets it be held for ever."""
    kill_grace: float = 3.0
    """From SIGTERM to SIGKILL where the task has no kill policy."""
    agent_removal_timeout: float = 75.0
    """A lost agent that is not back by then is removed and its tasks are lost."""
    expects_docker: bool = False
    """Connect to the Docker engine at once, which takes 0.3 s, rather than at the first task."""
    resend_first: float = 10.0
    """An update not acknowledged is sent again after this, then after twice as long, and so on."""

    @property
    def agent_resources(self) -> Resources:
        """What each agent has."""
        return Resources(
            cpus=self.cpus, mem=self.mem, disk=self.disk, gpus=self.gpus, ports=self.ports
        )


def parse_local(master: str, *, cpu_count: int | None = None, total_mem: float = 0) -> LocalConfig:
    """Read `local` or `local:AGENTSxCPUS`; raises UsageError.

    `local` alone fits itself to the machine, whose processors and memory in MB are looked up
    unless given, and has at least four agents with eight cpus, oversubscribed if need be.
    """
    total_mem = total_mem or _machine_mem()
    if master == "local":
        cpu_count = cpu_count or os.cpu_count() or 1
        cpus = max(LEAST_CPUS, float(math.ceil(cpu_count / LEAST_AGENTS)))
        return LocalConfig(cpus=cpus, mem=_mem_per_agent(total_mem, LEAST_AGENTS))
    match = re.fullmatch(r"local:(\d+)x(\d+(?:\.\d+)?)", master)
    if match is None:
        raise UsageError(
            f"{master!r} does not name an embedded cluster",
            remedy="write local, or local:4x8 for 4 agents with 8 cpus each",
        )
    agents, cpus = int(match[1]), float(match[2])
    if not 1 <= agents <= MOST_AGENTS:
        raise UsageError(
            f"{master!r} asks for {agents} agents",
            remedy=f"a cluster on this machine has 1 to {MOST_AGENTS} agents",
        )
    if cpus <= 0:
        raise UsageError(f"{master!r} gives its agents no cpus", remedy="give each at least 1")
    return LocalConfig(agents=agents, cpus=cpus, mem=_mem_per_agent(total_mem, agents))


def config_from_json(values: Mapping[str, Any]) -> LocalConfig:
    """A configuration from its JSON form, whose missing parts are the defaults."""
    fields = dict(values)
    if "ports" in fields:
        fields["ports"] = tuple((first, last) for first, last in fields["ports"])
    if "attributes" in fields:
        fields["attributes"] = {int(n): named for n, named in fields["attributes"].items()}
    return LocalConfig(**fields)


def _mem_per_agent(total_mem: float, agents: int) -> float:
    return max(LEAST_MEM, float(math.floor(total_mem / agents)))


def _machine_mem() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
