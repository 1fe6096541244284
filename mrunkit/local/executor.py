"""What an agent needs to run tasks of one kind.

Owns the interface only; `processes` implements it for commands, `docker_tasks` for containers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mrunkit.local.status import TaskState
from mrunkit.local.wire import TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A task on the agent that is to run it."""

    task: TaskInfo
    framework_id: str
    agent_id: str
    container_id: str
    user: str
    role: str
    hostname: str
    ip: str
    sandbox: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What there is to tell of a task when it runs."""

    ip: str | None = None
    """Its own address, if it is not the agent's."""
    data: bytes = b""
    """For the framework."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended by itself, in its executor's words."""

    succeeded: bool
    message: str


class LaunchError(Exception):
    """A task could not be started; `reason` is Mesos' name for why."""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "REASON_CONTAINER_LAUNCH_FAILED",
        state: TaskState = TaskState.FAILED,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.state = state


class Running(Protocol):
    """A task whose start is under way, or that runs."""

    @property
    def pid(self) -> int | None:
        """The process that stands for the task on this machine, if one does."""

    def terminate(self, grace: float) -> None:
        """Ask the task to end, and end it if it has not within so many seconds."""

    def destroy(self) -> None:
        """End the task and everything it started, now."""

    async def started(self) -> Started | None:
        """Wait until the task runs; None if it ended before."""

    async def wait(self) -> Ended:
        """How the task ended; nothing of it runs any more by then."""


class Executor(Protocol):
    """Starts tasks of one kind."""

    async def prepare(self, launch: Launch) -> None:
        """Get what the task needs, however long that takes; raises LaunchError.

        It is cancelled if the task is killed meanwhile.
        """

    async def start(self, launch: Launch) -> Running:
        """Begin to start a task; raises LaunchError."""
