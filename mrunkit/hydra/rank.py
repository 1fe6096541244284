"""The shell script around a rank where Hydra forgets how ranks end: see `rank.sh`.

Pure, but for reading the script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from .proxy import FAILED_RANK_STATUS
from .script import read_script

_FORGETFUL = re.compile(r"4\.[0-2](\D|$)")
"""Measured: 4.1.3 and 4.2.1 in a tenth to a third of the crashes, 3.4.3, 4.3.2 and 5.0.2 never."""


def with_failure_marked(program: Sequence[str], version: str) -> list[str]:
    """Return the words by which mpiexec of a version of MPICH runs the program.

    proxy.sh then ends with FAILED_RANK_STATUS if a rank fails and hydra_pmi_proxy does not.
    """
    if _FORGETFUL.match(version) is None:
        return list(program)
    return ["/bin/sh", "-c", _script(), "rank", *program]


def failed_rank(message: str) -> str:
    """How a rank ended, by what Mesos says of a task's end; empty if all is well."""
    if f"exited with status {FAILED_RANK_STATUS}" not in message:
        return ""
    return "a rank ended badly, and this version of MPICH did not tell how"


@cache
def _script() -> str:
    return read_script("rank.sh")
