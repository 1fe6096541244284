"""Outlives the client of a job if that is killed, and cleans up after it.

    python -m mrunkit.containers.guard JOB_ID [STAGING_DIRECTORY]

Started by a shell that waits on stdin, whose other end the client holds: a line means that
the client has cleaned up itself. The agents end the tasks' containers; this ends mpiexec's,
which runs here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

_WAIT = 'trap "" HUP INT TERM; read -r line || exec "$@"'
"""Every job in containers has a guard, and hardly any needs one: so Python only starts then.
A closed terminal ends the client, and must not end who cleans up after it."""


LATE_SECONDS = 2
"""The engine may still be at making the container that the client asked for as it was killed."""


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
                ["/bin/sh", "-c", _WAIT, "guard", *words],
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
    from mrunkit.containers.engine import connect, remove_container
    from mrunkit.containers.options import JOB_LABEL, ROLE_LABEL

    if staged is not None:
        shutil.rmtree(staged, ignore_errors=True)
    api = connect().api
    labels = [f"{JOB_LABEL}={job_id}", f"{ROLE_LABEL}=mpiexec"]
    now = int(time.time())
    found = [it["Id"] for it in api.containers(all=True, filters={"label": labels})]
    if not found:
        late = api.events(
            since=now,
            until=now + LATE_SECONDS,
            filters={"event": "create", "label": labels},
            decode=True,
        )
        found = [event["Actor"]["ID"] for event in late]
    for container_id in found:
        remove_container(api, container_id)


if __name__ == "__main__":
    clean_up(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else None)
