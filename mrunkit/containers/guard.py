"""Outlives the client of a job if that is killed, and cleans up after it.

    python -m mrunkit.containers.guard JOB_ID [STAGING_DIRECTORY]

Waits on stdin, whose other end the client holds: a line means that the client has cleaned
up itself. The agents end the tasks' containers; this ends mpiexec's, which runs here.
Imports nothing of Docker's before it is needed: every job in containers starts a guard.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self


class Guard:
    """The client's end of a guard."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def start(cls, job_id: str, staged: Path | None) -> Self:
        """Start guarding a job's container of mpiexec and its staged files."""
        words = [sys.executable, "-P", "-m", "mrunkit.containers.guard", job_id]
        words += [str(staged)] if staged is not None else []
        return cls(
            subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def release(self) -> None:
        """Tell the guard that there is nothing left to do."""
        self._process.communicate(b"released\n")


def clean_up(job_id: str, staged: Path | None) -> None:
    """Remove mpiexec's container and the staged files of a job whose client is gone."""
    from mrunkit.containers.engine import connect
    from mrunkit.containers.options import JOB_LABEL, ROLE_LABEL

    if staged is not None:
        shutil.rmtree(staged, ignore_errors=True)
    engine = connect()
    labels = [f"{JOB_LABEL}={job_id}", f"{ROLE_LABEL}=mpiexec"]
    for container in engine.containers.list(all=True, filters={"label": labels}):
        container.remove(force=True, v=True)


def main(words: list[str]) -> None:
    """Wait for the client's end; clean up unless it did."""
    # A closed terminal ends the client, and must not end who cleans up after it.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if not sys.stdin.buffer.readline():
        clean_up(words[0], Path(words[1]) if words[1:] else None)


if __name__ == "__main__":
    main(sys.argv[1:])
