"""Processes that are found by a variable in their environment, and ended.

Owns the search in /proc. Needs only the standard library, because the client uses it, too.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def kill_marked(marker: str) -> None:
    """SIGKILL to all processes that carry NAME=VALUE..., until there is none."""
    while found := list(marked_processes(marker)):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def marked_processes(marker: str) -> Iterator[int]:
    """Living processes that carry NAME=VALUE..., any text following, in their environment.

    Processes of other users are passed over unless we may look at them.
    """
    wanted = b"\0" + marker.encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        # Processes end while one looks; a zombie's environment is empty.
        with contextlib.suppress(OSError):
            if wanted in b"\0" + Path(entry.path, "environ").read_bytes():
                yield int(entry.name)
