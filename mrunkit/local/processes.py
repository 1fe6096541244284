"""Command tasks, as processes of this machine.

Owns what a command becomes: its words, its environment, its user; and how its end is told. How
processes start, and that nothing of them is left, is `launcher.py`'s.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from mrunkit.local.executor import Ended, Launch, LaunchError, Started
from mrunkit.local.launcher_process import Isolation, LauncherProcess, Message, start_launcher
from mrunkit.local.status import TaskState
from mrunkit.local.stragglers import kill_marked
from mrunkit.local.wire import Command


def command_words(command: Command) -> tuple[str, list[str]]:
    """The program of a command, and its words, which begin with a name for it, as in Mesos."""
    value = command.value or ""
    if command.shell:
        return "/bin/sh", ["sh", "-c", value]
    return value, list(command.arguments) or [value]


def task_environment(launch: Launch) -> dict[str, str]:
    """A task's environment, beside its agent's: what Mesos adds, and what the task wants."""
    environment = {
        "LIBPROCESS_IP": launch.ip,
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": f"{launch.ip}:5051",
        "MESOS_AGENT_ID": launch.agent_id,
        "MESOS_ALLOCATION_ROLE": launch.role,
        "MESOS_CHECKPOINT": "0",
        "MESOS_CONTAINER_IP": launch.ip,
        "MESOS_DIRECTORY": str(launch.sandbox),
        "MESOS_EXECUTOR_ID": launch.task.id,
        "MESOS_FRAMEWORK_ID": launch.framework_id,
        "MESOS_SANDBOX": str(launch.sandbox),
        "MESOS_SLAVE_ID": launch.agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{launch.ip}:5051",
        "MESOS_TASK_ID": launch.task.id,
        "PWD": str(launch.sandbox),
    }
    if launch.task.command is not None:
        environment |= launch.task.command.environment
    return environment


def exit_message(returncode: int) -> str:
    """Mesos' words for the end of a command; below 0 is a signal's number, as in subprocess."""
    if returncode < 0:
        return f"Command terminated with signal {signal.strsignal(-returncode)}"
    return f"Command exited with status {returncode}"


class ProcessExecutor:
    """Runs command tasks, as long as its `async with` block; ends those that are left then."""

    def __init__(self, isolation: Isolation | None = None) -> None:
        self._wanted = isolation
        self._starting: asyncio.Task[LauncherProcess]
        self._receiving: asyncio.Task[None] | None = None
        self._running: dict[str, RunningProcess] = {}

    async def __aenter__(self) -> Self:
        # It takes some 30 ms, in which other things can be done.
        self._starting = asyncio.create_task(self._start_launcher(), name="launcher's start")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        launcher = await self._starting
        launcher.close()
        assert self._receiving is not None
        await self._receiving

    async def prepare(self, launch: Launch) -> None:
        """A command needs nothing."""

    async def start(self, launch: Launch) -> RunningProcess:
        """Start a task's command in its sandbox, with its output in files there."""
        command = launch.task.command
        if command is None:
            raise LaunchError("The task has no command")
        if command.has_uris:
            raise LaunchError(
                f"Failed to fetch all URIs for container '{launch.container_id}': "
                "the embedded cluster fetches nothing"
            )
        account = _account(command.user or launch.user, launch.sandbox)
        program, words = command_words(command)
        launcher = await asyncio.shield(self._starting)
        assert self._receiving is not None
        if self._receiving.done():
            raise LaunchError("the process that starts tasks has ended")
        running = RunningProcess(launcher, launch.container_id, launch.sandbox)
        self._running[launch.container_id] = running
        launcher.send(
            {
                "start": launch.container_id,
                "program": program,
                "words": words,
                "env": task_environment(launch),
                "directory": str(launch.sandbox),
                "hostname": launch.hostname,
                "account": account,
            }
        )
        await running.is_there()
        return running

    async def isolation(self) -> Isolation:
        """How tasks are kept apart."""
        return (await asyncio.shield(self._starting)).isolation

    async def _start_launcher(self) -> LauncherProcess:
        launcher = await start_launcher(self._wanted)
        self._receiving = asyncio.create_task(self._receive(launcher), name="launcher's messages")
        return launcher

    async def _receive(self, launcher: LauncherProcess) -> None:
        await launcher.receive(self._take)
        # What has not ended before the launcher has ended with it; without namespaces, not yet.
        for task_id, running in tuple(self._running.items()):
            if launcher.isolation is Isolation.SESSION:
                kill_marked(f"MESOS_SANDBOX={running.sandbox}")
            self._take({"ended": task_id, "status": -signal.SIGKILL})

    def _take(self, message: Message) -> None:
        match message:
            case {"started": task_id, "pid": pid}:
                self._running[task_id].has_started(pid)
            case {"failed": task_id, "error": error}:
                self._running.pop(task_id).has_failed(error)
            case {"ended": task_id, "status": status} if task_id in self._running:
                self._running.pop(task_id).has_ended(status)


class RunningProcess:
    """A command that was started."""

    def __init__(self, launcher: LauncherProcess, task_id: str, sandbox: Path) -> None:
        self.sandbox = sandbox
        self._launcher = launcher
        self._task_id = task_id
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int | None] = self._loop.create_future()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The leader of the task's session."""
        return self._started.result() if self._started.done() else None

    def terminate(self, grace: float) -> None:
        """SIGTERM to the command's process group; SIGKILL to all of it after `grace` seconds."""
        if self._ended.done():
            return
        if self._deadline is None:
            self._launcher.send({"signal": self._task_id, "number": signal.SIGTERM})
        else:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(grace, self.destroy)

    def destroy(self) -> None:
        """SIGKILL to everything the task started."""
        if not self._ended.done():
            self._launcher.send({"destroy": self._task_id})

    async def is_there(self) -> None:
        """Wait until there is a process; raises LaunchError if there never will be."""
        await asyncio.shield(self._started)

    async def started(self) -> Started | None:
        """It was from the beginning."""
        return Started()

    async def wait(self) -> Ended:
        """How the command ended; whatever it left behind is gone by then."""
        status = await asyncio.shield(self._ended)
        return Ended(succeeded=status == 0, message=exit_message(status))

    # From the launcher.

    def has_started(self, pid: int) -> None:
        """There is a process."""
        self._started.set_result(pid)

    def has_failed(self, error: str) -> None:
        """There will be none."""
        self._started.set_exception(LaunchError(f"Failed to run the command: {error}"))

    def has_ended(self, status: int) -> None:
        """It has ended, and all that it has started."""
        if not self._started.done():
            self._started.set_result(None)
        if self._deadline is not None:
            self._deadline.cancel()
        self._ended.set_result(status)


def _account(user: str, sandbox: Path) -> tuple[str, int, int] | None:
    """Whom a command is to run as, if not as us; only root can choose."""
    if os.geteuid() != 0:
        return None
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LaunchError(
            f"Failed to create executor directory '{sandbox}': Failed to chown directory to "
            f"'{user}': No such user '{user}'",
            reason="REASON_EXECUTOR_TERMINATED",
            state=TaskState.LOST,
        ) from None
    if account.pw_uid == os.geteuid():
        return None
    os.chown(sandbox, account.pw_uid, account.pw_gid)
    return user, account.pw_uid, account.pw_gid
