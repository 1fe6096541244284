"""What an agent needs to run tasks of one kind.

Owns the interface only; `processes` implements it for commands.
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
    """A task that was started."""

    @property
    def pid(self) -> int | None:
        """The process that stands for the task on this machine, if one does."""

    @property
    def ip(self) -> str | None:
        """The task's own address, if it is not the agent's."""

    def terminate(self, grace: float) -> None:
        """Ask the task to end, and end it if it has not within so many seconds."""

    def destroy(self) -> None:
        """End the task and everything it started, now."""

    async def wait(self) -> Ended:
        """How the task ended; nothing of it is left by then."""


class Executor(Protocol):
    """Starts tasks of one kind."""

    async def start(self, launch: Launch) -> Running:
        """Start a task; raises LaunchError."""
