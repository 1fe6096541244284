"""The cluster's side of `launcher.py`: its process, and the messages to and from it.

Owns that process from its start to its end. Knows tasks by their ids only.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("launcher.py")

AGENT_VARIABLES = ("MESOS_", "LIBPROCESS_")
"""Variables with these beginnings are an agent's own and not handed down to its tasks."""

Message = dict[str, Any]


class Isolation(Enum):
    """How far the tasks of a cluster can be kept apart from the machine."""

    NAMESPACES = "as root"
    """PID, IPC and mount namespaces for all, and a UTS namespace for each."""
    USER_NAMESPACES = "as an ordinary user"
    """The same for an ordinary user."""
    SESSION = "without privileges"
    """No namespaces: a session for each, and a search for what has left that."""


class LauncherProcess:
    """A launcher that is ready. Made by `start_launcher`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        isolation: Isolation,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.isolation = isolation
        self._process = process
        self._reader = reader
        self._writer = writer

    def send(self, message: Message) -> None:
        """Tell the launcher what to do; one that has gone is not told, and has no tasks."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self, take: Callable[[Message], None]) -> None:
        """Take what the launcher tells, until it has ended with all that it has started."""
        try:
            while line := await self._reader.readline():
                take(json.loads(line))
        except ConnectionResetError:
            pass  # it was killed before it had read all
        await self._process.wait()

    def close(self) -> None:
        """End it; `receive` returns when it has ended."""
        self._writer.close()


async def start_launcher(isolation: Isolation | None = None) -> LauncherProcess:
    """Start a launcher with that isolation, or with the best that works here."""
    candidates = [*Isolation] if isolation is None else [isolation]
    if isolation is None and os.geteuid() != 0:
        candidates.remove(Isolation.NAMESPACES)
    for candidate in candidates:
        launcher = await _try(candidate)
        if launcher is not None:
            return launcher
    raise RuntimeError(f"the launcher of tasks does not start {candidates[-1].value}")


async def _try(isolation: Isolation) -> LauncherProcess | None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(PROGRAM), str(theirs.fileno()), isolation.name),
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith(AGENT_VARIABLES)
            },
            start_new_session=True,
        )
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    if await reader.readline():
        return LauncherProcess(process, isolation, reader, writer)
    writer.close()
    await process.wait()
    return None
