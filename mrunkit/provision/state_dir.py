"""A lab's directory on this machine, for its secrets and logs; one mrunkit at a time has it.

Owns the lock. One that was killed gives it back as well, but not what it has started: its marker
is in the lock's file, and whoever comes next ends that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mrunkit.errors import MrunkitError
from mrunkit.provision.playbooks import end_run

_HOLDER = re.compile(r"(?P<pid>\d+)( (?P<marker>[0-9a-f]{32}))?\n")
"""What is in the lock's file, whole: less of a marker would be that of other runs as well."""
_LONGEST_HOLDER = 100


class ProvisionError(MrunkitError):
    """A playbook could not do its work on some host, or did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The right to work on a lab."""

    marker: str
    """For the run, which is found by it if this process is killed."""
    killed: str | None = None
    """The number of a mrunkit that was killed and whose Ansible, still at work, has been ended."""


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[Lock]:
    """Keep others from working on the same lab; raises ProvisionError if somebody does."""
    make_state_dir(state_dir)
    path = state_dir / "lock"
    # Without a buffer: what a full disk does not take is not tried again.
    with opened(path, "a+b", buffering=0) as file:
        is_ours = _lock(file)
        file.seek(0)
        holder = _HOLDER.fullmatch(file.read(_LONGEST_HOLDER).decode(errors="replace"))
        pid = holder["pid"] if holder else "?"
        if not is_ours:
            raise ProvisionError(
                f"another mrunkit (process {pid}) is at work on this lab",
                remedy="wait for its end",
            )
        left = holder["marker"] if holder else None
        was_at_work = left is not None and end_run(left)
        lock = Lock(marker=uuid.uuid4().hex, killed=pid if was_at_work else None)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()} {lock.marker}\n".encode())
        except OSError as error:
            raise _cannot_make(path, error) from error
        yield lock
        # Not if it was interrupted, perhaps before it could end all: the next one looks once more.
        file.truncate(0)


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_state_dir(state_dir: Path) -> None:
    """Make the directory, which will hold secrets; raises ProvisionError."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(state_dir, error) from error


def opened(file: Path, mode: str, *, buffering: int = -1) -> IO[Any]:
    """Open a file in the directory; raises ProvisionError."""
    try:
        return file.open(mode, buffering)
    except OSError as error:
        raise _cannot_make(file, error) from error


def _cannot_make(path: Path, error: OSError) -> ProvisionError:
    return ProvisionError(
        f"cannot make {path} for the lab's secrets and logs: {error.strerror}",
        remedy="name another directory in the inventory: lab_state_dir",
    )
