"""What a job leaves behind: processes, found wherever they have hidden, and files.

This process adopts whatever its descendants leave (PR_SET_CHILD_SUBREAPER), so that a process
which has lost its parent, its session and its environment is still found here. A socket needs a
process that holds it: where no process is left, nothing listens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
"""Seconds that something may take on a busy machine; only a test that fails waits so long."""

_PR_SET_CHILD_SUBREAPER = 36
_LISTENING = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A living process, as /proc shows it."""

    pid: int
    parent: int
    command: str


def until(condition: Callable[[], bool], what: str, *, patience: float = PATIENCE) -> None:
    """Wait until something is so; fail after a long time."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"after {patience:g} s still not: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Be the parent of all that descendants leave behind."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def descendants(ancestor: int | None = None) -> dict[int, Process]:
    """The living descendants of a process, of this one if none is given."""
    everybody = {process.pid: process for process in _processes()}
    found: dict[int, Process] = {}
    unseen = [os.getpid() if ancestor is None else ancestor]
    while unseen:
        parent = unseen.pop()
        children = [process for process in everybody.values() if process.parent == parent]
        found |= {process.pid: process for process in children}
        unseen += [process.pid for process in children]
    return found


def _processes() -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # processes end while one looks
            # Whatever a process calls itself, and whoever's it is.
            stat = Path(entry.path, "stat").read_text(errors="replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state in "ZX":
                _bury(int(entry.name), int(parent))
                continue
            command = Path(entry.path, "cmdline").read_text(errors="replace").replace("\0", " ")
            yield Process(pid=int(entry.name), parent=int(parent), command=command.strip())


def _bury(pid: int, parent: int) -> None:
    """Collect the status of an adopted process; those that we started have `wait` for it."""
    if parent == os.getpid() and pid not in STARTED:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


STARTED: set[int] = set()
"""What this process has started itself and waits for."""


def end_all(processes: dict[int, Process]) -> None:
    """SIGKILL, for the sake of the next test."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def listening_ports(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(descriptor.readlink()))
    ports = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in sockets:
            ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
