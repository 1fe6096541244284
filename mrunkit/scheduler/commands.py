"""What a gang wants done. Every effect of the scheduler is one of these values."""

from __future__ import annotations

from dataclasses import dataclass

from .offers import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base of all commands; carries nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTask(Command):
    """Accept these offers, all of one agent, for one task."""

    task_id: str
    agent_id: str
    hostname: str
    address: str
    """Under which the agent registered."""
    ranks: int
    shares: tuple[Share, ...]
    """What the task takes of the offers."""
    offer_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineOffers(Command):
    """Give offers back; none of them again for so many seconds."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressOffers(Command):
    """No more offers, please."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveOffers(Command):
    """Offers again, whatever was declined or suppressed before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTask(Command):
    """End a task."""

    task_id: str
    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileTasks(Command):
    """Ask the master what became of tasks: pairs of task id and agent id."""

    tasks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MpiHost:
    """A task that will run a part of the ranks."""

    task_id: str
    address: str
    ranks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMpi(Command):
    """Start mpiexec over these hosts, in this order, and answer their rendezvous."""

    hosts: tuple[MpiHost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMpi(Command):
    """End mpiexec: TERM, then KILL after `grace` seconds."""

    grace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TearDown(Command):
    """Unregister the framework; the master ends whatever tasks are left."""
