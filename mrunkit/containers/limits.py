"""The resource limits of a job's containers, and how far this machine lets Docker raise them."""

from __future__ import annotations

import re
import resource
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = -1
CAP_SYS_RESOURCE = 24
"""Without it nobody can raise a hard limit. Source: linux/capability.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hard limits, as `docker run --ulimit` takes them."""

    memlock: int = UNLIMITED
    """Bytes that may be locked: network devices are given memory that must stay."""
    nofile: int = 65536
    """Open files: mpiexec alone needs 3 per host."""


def within(wanted: Limits, *, capabilities: int, memlock: int, nofile: int) -> Limits:
    """As much of the wanted limits as a machine with these hard limits can give.

    `capabilities` is the bounding set of its processes, as a bit mask.
    """
    if capabilities >> CAP_SYS_RESOURCE & 1:
        return wanted
    return Limits(memlock=_least(wanted.memlock, memlock), nofile=_least(wanted.nofile, nofile))


def limits_here(wanted: Limits | None = None) -> Limits:
    """As much of the wanted limits as Docker on this machine can give."""
    status = Path("/proc/self/status").read_text()
    bounding = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return within(
        wanted or Limits(),
        capabilities=int(bounding[1], 16) if bounding else 0,
        memlock=resource.getrlimit(resource.RLIMIT_MEMLOCK)[1],
        nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    )


def _least(*limits: int) -> int:
    return min((limit for limit in limits if limit != UNLIMITED), default=UNLIMITED)
