"""Which process a container or a file belongs to, and whether it is still there.

Pure but for looks into /proc.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process of a host, told from a later one with the same number by when it started."""

    hostname: str
    pid: int
    started: int
    """In clock ticks since boot, as /proc says."""

    def __str__(self) -> str:
        return f"{self.hostname}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read the text form; None if it is none."""
        hostname, _, rest = text.partition("/")
        pid, _, started = rest.partition("/")
        if not (hostname and pid.isdecimal() and started.isdecimal()):
            return None
        return cls(hostname=hostname, pid=int(pid), started=int(started))

    def is_gone(self, *, hostname: str) -> bool:
        """Whether it is sure that it has ended: only its own host can tell."""
        return self.hostname == hostname and started_at(self.pid) != self.started


def this_process(hostname: str) -> ProcessIdentity:
    """This process."""
    started = started_at(os.getpid())
    assert started is not None, "this process is there"
    return ProcessIdentity(hostname=hostname, pid=os.getpid(), started=started)


def booted_at() -> float:
    """When this host was booted, in seconds since the epoch. Source: proc(5), stat."""
    lines = Path("/proc/stat").read_text().splitlines()
    (booted,) = (line.split()[1] for line in lines if line.startswith("btime "))
    return float(booted)


def started_at(pid: int) -> int | None:
    """When a process of this host started; None if it has ended. Source: proc(5), stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold anything, so count from behind it.
    fields = stat.rpartition(")")[2].split()
    # One that was killed stays until its parent asks how it ended.
    return None if fields[0] in "ZX" else int(fields[19])
