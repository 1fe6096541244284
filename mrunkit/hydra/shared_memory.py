"""Room for the memory that ranks of one host share, and how they end for want of it.

Ranks that find none are killed by a signal, and neither they nor mpiexec say why.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from .verdict import Verdict

DIRECTORY = "/dev/shm"
BYTES_PER_RANK = 6 << 20
"""Measured with MPICH 5.0.2: 5.3 MB for a rank alone, 60 MB for ten."""
_ENDED_BY = {signal.SIGBUS, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM}
"""The first to miss it gets a bus error, and those who waited for it are killed."""


def room_here() -> int | None:
    """Bytes that are free now; None where there is no such directory."""
    try:
        seen = os.statvfs(DIRECTORY)
    except FileNotFoundError:
        return None
    return seen.f_bavail * seen.f_frsize


def with_room_told(judged: Verdict, room: int | None, ranks: int) -> Verdict:
    """Say that there was too little room for so many ranks, if they ended like that."""
    if room is None or room >= ranks * BYTES_PER_RANK or judged.exit_status not in _ENDED_BY:
        return judged
    return replace(
        judged,
        message=judged.message or f"ranks were ended by signal {judged.exit_status}",
        remedy=(
            f"{DIRECTORY}, where ranks of one host share memory, had {room >> 20} MB free, and"
            f" {ranks} ranks take about {ranks * BYTES_PER_RANK >> 20}: see what is left there, or"
            " make it larger"
        ),
    )
