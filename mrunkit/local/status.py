"""States of a task, and the status updates that report them.

Owns the shape of a status. Does not deliver any.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, replace
from enum import Enum

from mrunkit.local.wire import Json


class TaskState(Enum):
    """States of a task, by the names on the wire."""

    STAGING = "TASK_STAGING"
    """Accepted by the master, nothing heard from the agent yet."""
    STARTING = "TASK_STARTING"
    """The executor has the task."""
    RUNNING = "TASK_RUNNING"
    """The process was started."""
    KILLING = "TASK_KILLING"
    """Asked to end; only reported to frameworks that can take it."""
    FINISHED = "TASK_FINISHED"
    """Ended by itself with status 0."""
    FAILED = "TASK_FAILED"
    """Ended by itself otherwise, or could not be started."""
    KILLED = "TASK_KILLED"
    """Ended because its framework asked for it."""
    ERROR = "TASK_ERROR"
    """Its description was invalid; nothing was started."""
    LOST = "TASK_LOST"
    """Its agent is gone, or nobody knows it."""
    UNREACHABLE = "TASK_UNREACHABLE"
    """LOST for frameworks that are PARTITION_AWARE: its agent may come back."""
    DROPPED = "TASK_DROPPED"
    """LOST for frameworks that are PARTITION_AWARE: it was never started."""
    UNKNOWN = "TASK_UNKNOWN"
    """LOST for frameworks that are PARTITION_AWARE: nobody knows it."""

    @property
    def is_terminal(self) -> bool:
        """Whether the task's resources are free again."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One report of a task's state; only those of an agent or executor have a uuid."""

    task_id: str
    state: TaskState
    timestamp: float
    source: str
    message: str | None = None
    reason: str | None = None
    agent_id: str | None = None
    executor_id: str | None = None
    uuid: str | None = None
    container_status: Json | None = None
    data: bytes = b""
    """Only sent to the framework; a master does not remember it."""
    unreachable_time: float | None = None

    def json(self) -> Json:
        """The status as the wire has it."""
        status: Json = {"task_id": {"value": self.task_id}, "state": self.state.value}
        if self.message is not None:
            status["message"] = self.message
        status["source"] = self.source
        if self.reason is not None:
            status["reason"] = self.reason
        if self.data:
            status["data"] = base64.b64encode(self.data).decode()
        if self.agent_id is not None:
            status["agent_id"] = {"value": self.agent_id}
        if self.executor_id is not None:
            status["executor_id"] = {"value": self.executor_id}
        status["timestamp"] = self.timestamp
        if self.uuid is not None:
            status["uuid"] = self.uuid
        if self.container_status is not None:
            status["container_status"] = self.container_status
        if self.unreachable_time is not None:
            status["unreachable_time"] = {"nanoseconds": round(self.unreachable_time * 1e9)}
        return status

    def reconciled(self, now: float) -> Status:
        """The same state as the master tells it when asked."""
        return replace(
            self,
            timestamp=now,
            source="SOURCE_MASTER",
            reason="REASON_RECONCILIATION",
            message="Reconciliation: Latest task state",
            executor_id=None,
            uuid=None,
            data=b"",
        )


def fresh_uuid() -> str:
    """A random uuid as the wire has it: base64 of its 16 bytes."""
    return base64.b64encode(uuid.uuid4().bytes).decode()


def is_uuid(text: str) -> bool:
    """Whether a base64 text holds a uuid of a known version, which Mesos insists on."""
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(octets) == 16 and 1 <= octets[6] >> 4 <= 5
