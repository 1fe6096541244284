"""The shell script around a rank, which sees to it that a rank's failure is told: see `rank.sh`.

Pure, but for reading the script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from .proxy import FAILED_RANK_STATUS, RANK_STATUSES
from .script import read_script

_FORGETFUL = re.compile(r"4\.[0-2](\D|$)")
"""Measured: 4.1.3 and 4.2.1 in a tenth to a third of the crashes, 3.4.3, 4.3.2 and 5.0.2 never."""

_STATUS = re.compile(r"exited with status (?P<status>\d+)")


def with_failure_told(program: Sequence[str], version: str, *, patience: int) -> list[str]:
    """Return the words by which mpiexec of a version of MPICH runs the program.

    A rank that fails before MPI_Finalize then ends the ranks on all hosts after `patience`
    seconds, if others run on its own; 0: they may go on. Else proxy.sh ends with a status that
    tells of it: see `failed_rank`.
    """
    if not patience and _FORGETFUL.match(version) is None:
        return list(program)
    return ["/bin/sh", "-c", _script(), "rank", str(patience), *program]


def failed_rank(message: str) -> int | None:
    """With which status a rank failed, by what Mesos says of a task's end.

    0 if that is not known; None if no rank has failed, or mpiexec knows best.
    """
    found = _STATUS.search(message)
    if found is None:
        return None
    return RANK_STATUSES.get(int(found["status"]) - FAILED_RANK_STATUS)


@cache
def _script() -> str:
    return read_script("rank.sh")
