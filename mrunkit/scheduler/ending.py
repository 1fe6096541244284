"""The end of a gang: its outcome, and seeing to it that nothing of it is left. Pure."""

from __future__ import annotations

from mrunkit.errors import ExitStatus

from .commands import DeclineOffers, EndMpi, KillTask, TearDown
from .events import Cancelled, MpiExited
from .gang import Deadline, Mpi, Outcome, State, Task
from .turn import Turn

REFUSE_UNNEEDED_SECONDS = 3600.0
"""For the rest of the job; a revival clears it."""

NATURAL_END_SECONDS = 2.0
"""Proxies end by themselves when mpiexec has; their agents report it within 0.1 s."""

GRACE_SECONDS = 2.0
"""From TERM to KILL for mpiexec."""

DRAIN_SECONDS = 15.0
"""An agent kills within 3 s (a container: 5 s) and reports it."""


def outcome_of(event: MpiExited | Cancelled) -> Outcome:
    """The outcome that an event itself tells."""
    return Outcome(exit_status=event.exit_status, message=event.message, remedy=event.remedy)


def end_job(turn: Turn, outcome: Outcome, *, is_natural: bool = False) -> None:
    """Start draining; the first outcome stands. A natural end leaves tasks a moment."""
    if turn.gang.outcome is None:
        turn.update(outcome=outcome)
    decline_offers(turn, list(turn.gang.held), REFUSE_UNNEEDED_SECONDS)
    turn.update(held={})
    if turn.gang.state is not State.DRAINING:
        turn.update(deadlines={})
        if turn.gang.tasks:
            turn.enter(State.DRAINING)
            turn.set_deadline(Deadline.DRAIN, DRAIN_SECONDS)
        if is_natural:
            turn.set_deadline(Deadline.KILL, NATURAL_END_SECONDS)
        else:
            kill_tasks(turn, turn.gang.alive_tasks)
        if turn.gang.mpi is Mpi.STARTED:
            turn.do(EndMpi(grace=GRACE_SECONDS))
    finish_if_drained(turn)


def fail_job(turn: Turn, message: str, remedy: str | None = None) -> None:
    """End the job because mrunkit cannot run it."""
    end_job(turn, Outcome(exit_status=ExitStatus.FAILED, message=message, remedy=remedy))


def kill_tasks(turn: Turn, tasks: tuple[Task, ...]) -> None:
    """Have tasks ended."""
    turn.do(*(KillTask(task_id=task.task_id, agent_id=task.agent_id) for task in tasks))


def decline_offers(turn: Turn, offer_ids: list[str], refuse_seconds: float) -> None:
    """Give offers back, if there are any."""
    if offer_ids:
        turn.do(DeclineOffers(offer_ids=tuple(offer_ids), refuse_seconds=refuse_seconds))


def finish_if_drained(turn: Turn) -> None:
    """Be done as soon as mpiexec and all tasks have ended."""
    if turn.gang.mpi is not Mpi.STARTED and not turn.gang.alive_tasks:
        turn.do(TearDown())
        turn.update(deadlines={})
        turn.enter(State.DONE)


def leave_at_once(turn: Turn) -> None:
    """Give up waiting. Tearing the framework down makes the master end what is left."""
    if turn.gang.mpi is Mpi.STARTED:
        turn.do(EndMpi(grace=0.0))
    turn.do(TearDown())
    turn.update(deadlines={}, is_forced=True)
    turn.enter(State.DONE)
