"""The one function that changes a gang: an event in, a new gang and commands out.

    COLLECTING -> LAUNCHING -> CONNECTING -> RUNNING -> DRAINING -> DONE

What an event does is in the module of the state where it matters: `collecting.py`,
`launching.py`, `running.py`, `ending.py`, and `deadlines.py` for time itself; which state
may follow which is in the table of `gang.py`. The same gang, event and time always give
the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .collecting import offer_rescinded, offers_received
from .commands import Command, ReconcileTasks
from .deadlines import time_passed
from .ending import end_job, fail_job, kill_tasks, leave_at_once, outcome_of
from .events import (
    AgentLost,
    Cancelled,
    CapacityReported,
    Event,
    MasterErred,
    MasterLost,
    MpiExited,
    OfferRescinded,
    OffersReceived,
    ProxiesAttached,
    ProxyComplained,
    ProxyConnected,
    ProxyLost,
    Subscribed,
    TaskState,
    TaskUpdated,
    TimePassed,
)
from .feasibility import find_obstacle
from .gang import RECONNECT_SECONDS, Deadline, Gang, State
from .launching import proxy_complained, proxy_connected, proxy_lost
from .running import agent_lost, mpi_exited, proxies_attached, task_updated
from .turn import Turn

SETTLE_SECONDS = 1.5
"""What "free now" means: one allocation tick of Mesos and some way to go."""


def step(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """What an event at a time makes of a gang, and what is to be done then."""
    if gang.state is State.DONE:
        return gang, ()
    turn = Turn(gang, now)
    _HANDLERS[type(event)](turn, event)
    return turn.gang, tuple(turn.commands)


def _subscribed(turn: Turn, event: Subscribed) -> None:
    turn.update(framework_id=event.framework_id, master=event.master, is_connected=True)
    turn.clear_deadlines(Deadline.MASTER)
    spec = turn.gang.spec
    if turn.gang.state is State.DRAINING and event.again:
        alive = turn.gang.alive_tasks
        turn.do(ReconcileTasks(tasks=tuple((task.task_id, task.agent_id) for task in alive)))
        kill_tasks(turn, alive)
    elif turn.gang.state is State.COLLECTING and Deadline.RESOURCES not in turn.gang.deadlines:
        wait = 0.0 if spec.dry_run else spec.wait
        if wait is not None:
            turn.set_deadline(Deadline.RESOURCES, max(wait, SETTLE_SECONDS))


def _capacity_reported(turn: Turn, event: CapacityReported) -> None:
    turn.update(capacity=event.agents)
    if turn.gang.state is State.COLLECTING and not turn.gang.tasks:
        obstacle = find_obstacle(turn.gang.spec, event.agents, event.kept_for_gpus)
        if obstacle is not None:
            fail_job(turn, obstacle.message, obstacle.remedy)


def _master_lost(turn: Turn, event: MasterLost) -> None:
    # A new subscription is offered everything, as if nothing had been declined.
    turn.clear_deadlines(Deadline.RETRY)
    turn.update(held={}, passed_over={}, is_connected=False)
    # Each attempt that fails is an event as well; the first one counts.
    if Deadline.MASTER not in turn.gang.deadlines:
        turn.set_deadline(Deadline.MASTER, RECONNECT_SECONDS)
    if turn.gang.alive_tasks:
        # With failover_timeout 0 a living master has already ended the tasks.
        fail_job(turn, f"lost the master: {event.message}")


def _master_erred(turn: Turn, event: MasterErred) -> None:
    turn.update(held={}, is_connected=False)
    for task in turn.gang.alive_tasks:
        turn.change_task(task, state=TaskState.LOST)
    fail_job(turn, event.message, event.remedy)


def _cancelled(turn: Turn, event: Cancelled) -> None:
    if turn.gang.state is State.DRAINING:
        leave_at_once(turn)
    else:
        end_job(turn, outcome_of(event))


_HANDLERS: dict[type[Event], Callable[[Turn, Any], None]] = {
    AgentLost: agent_lost,
    Cancelled: _cancelled,
    CapacityReported: _capacity_reported,
    MasterErred: _master_erred,
    MasterLost: _master_lost,
    MpiExited: mpi_exited,
    OfferRescinded: offer_rescinded,
    OffersReceived: offers_received,
    ProxiesAttached: proxies_attached,
    ProxyComplained: proxy_complained,
    ProxyConnected: proxy_connected,
    ProxyLost: proxy_lost,
    Subscribed: _subscribed,
    TaskUpdated: task_updated,
    TimePassed: time_passed,
}
