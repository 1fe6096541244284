"""What can happen to a gang. Every input of the scheduler is one of these values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .offers import Agent, Offer


class TaskState(Enum):
    """State of a Mesos task, by its name on the wire. Source: mesos.proto, `TaskState`."""

    STAGING = "TASK_STAGING"
    """The master has it; the agent may not."""
    STARTING = "TASK_STARTING"
    """Its executor prepares it; an image is pulled here."""
    RUNNING = "TASK_RUNNING"
    """Its process was started."""
    KILLING = "TASK_KILLING"
    """It was told to end."""
    FINISHED = "TASK_FINISHED"
    """Ended with status 0."""
    FAILED = "TASK_FAILED"
    """Ended otherwise, or could not be started."""
    KILLED = "TASK_KILLED"
    """Ended because it was told to."""
    ERROR = "TASK_ERROR"
    """Its description was refused."""
    LOST = "TASK_LOST"
    """The master has given it up."""
    DROPPED = "TASK_DROPPED"
    """It never reached its agent."""
    UNREACHABLE = "TASK_UNREACHABLE"
    """Its agent does not answer; a gang cannot wait whether it comes back."""
    GONE = "TASK_GONE"
    """It ended with its agent."""
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    """An operator declared its agent gone."""
    UNKNOWN = "TASK_UNKNOWN"
    """The master does not know it."""

    @property
    def is_terminal(self) -> bool:
        """Whether the task will not run any more, as far as a gang is concerned."""
        return self not in _ALIVE


_ALIVE = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; carries nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed(Event):
    """The master has accepted us as a framework."""

    framework_id: str
    master: str
    """Host and port."""
    again: bool = False
    """Under the same framework id as before the connection was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReported(Event):
    """The master's answer to what all agents have in all."""

    agents: tuple[Agent, ...]
    """Those that the master could offer us."""
    kept_for_gpus: tuple[Agent, ...] = ()
    """Those with GPUs, where the master keeps them for jobs that want some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffersReceived(Event):
    """New offers; they are ours until accepted, declined or rescinded."""

    offers: tuple[Offer, ...]
    jitter: float = 0.5
    """A random number from 0 to 1: two gangs must not hold and decline in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRescinded(Event):
    """An offer is no longer valid."""

    offer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdated(Event):
    """A task changed its state."""

    task_id: str
    state: TaskState
    message: str = ""
    reason: str = ""
    """REASON_... of mesos.proto, empty if none was given."""
    source: str = ""
    """SOURCE_MASTER, SOURCE_AGENT or SOURCE_EXECUTOR."""
    failed_rank: int | None = None
    """With which status a rank of it failed before MPI_Finalize, 0 if that is not known; None if
    none has. mpiexec need not know of it."""
    remedy: str | None = None
    """What to do about it, where somebody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLost(Event):
    """The master has removed an agent, and with it all its tasks."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterLost(Event):
    """The connection to the master broke or fell silent; the driver tries again."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterErred(Event):
    """The master has ended our subscription for good, and said why."""

    message: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConnected(Event):
    """A task has called the rendezvous: it is alive and waits for its launch line."""

    task_id: str
    address: str
    """Where the other tasks reach it; goes into mpiexec's -hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyLost(Event):
    """A task has hung up before it got its launch line."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyComplained(Event):
    """A task is alive and cannot take part, for the reason it gives."""

    task_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiesAttached(Event):
    """So many proxies have connections to mpiexec's control port."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MpiExited(Event):
    """mpiexec has ended; `message` is empty if the status is all there is to say."""

    exit_status: int
    message: str = ""
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """Somebody wants the job to end: a signal, or nobody reads its output any more."""

    exit_status: int
    message: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Event):
    """A deadline may have been reached."""
