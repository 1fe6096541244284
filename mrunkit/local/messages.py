"""What goes between the master, its frameworks and its agents.

Owns the vocabulary. Effects are what the master decides; the cluster carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrunkit.local.status import Status
from mrunkit.local.wire import Json, TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvent:
    """To a framework: an event for its stream."""

    stream_id: str
    event: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream:
    """End a framework's stream cleanly."""

    stream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTask:
    """To an agent: start a task."""

    agent_id: str
    framework_id: str
    user: str
    role: str
    task: TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTask:
    """To an agent: end a task; `grace` in seconds overrides the task's own kill policy."""

    agent_id: str
    framework_id: str
    task_id: str
    grace: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardTask:
    """To an agent that came back: nobody knows this task any more; end it and say nothing."""

    agent_id: str
    framework_id: str
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeUpdate:
    """To an agent: the framework has seen the update."""

    agent_id: str
    framework_id: str
    task_id: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendUpdates:
    """To all agents: the framework is back and may have missed what it did not acknowledge."""

    framework_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownFramework:
    """To all agents: the framework is gone; its tasks end and nothing more is reported."""

    framework_id: str


AgentOrder = LaunchTask | KillTask | DiscardTask | AcknowledgeUpdate
"""What goes to one agent; it is lost if that is disconnected."""

Effect = SendEvent | CloseStream | AgentOrder | ResendUpdates | ShutdownFramework


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardUpdate:
    """From an agent: an update of a task, with the latest state the agent knows of it."""

    agent_id: str
    framework_id: str
    status: Status
    latest: Status
