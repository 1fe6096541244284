"""The one function that changes a gang: an event in, a new gang and commands out.

    COLLECTING -> LAUNCHING -> CONNECTING -> RUNNING -> DRAINING -> DONE

Everything that decides about a running job is in this file and in the table of
`gang.py`. The same gang, event and time always give the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mrunkit.errors import ExitStatus

from .commands import (
    Command,
    DeclineOffers,
    EndMpi,
    KillTask,
    LaunchTask,
    MpiHost,
    ReconcileTasks,
    ReviveOffers,
    StartMpi,
    SuppressOffers,
    TearDown,
)
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
from .gang import (
    RECONNECT_SECONDS,
    TRANSITIONS,
    Deadline,
    Gang,
    HeldOffer,
    Mpi,
    Outcome,
    State,
    Task,
    UnlistedTransitionError,
)
from .offers import Offer, by_agent, is_eligible, take, together
from .placement import fill
from .resources import Demand

HOLD_SECONDS = 5.0
"""How long an offer waits for the rest of a gang; up to twice that, by jitter. Longer
than Mesos' allocation tick of 1 s and its default filter of 5 s, so that what another
framework declines meanwhile comes in time."""
SETTLE_SECONDS = 1.5
"""What "free now" means: one allocation tick of Mesos and some way to go."""
REFUSE_UNUSABLE_SECONDS = 60.0
"""An agent that the job may not use will not become usable."""
REFUSE_UNNEEDED_SECONDS = 3600.0
"""For the rest of the job; a revival clears it."""
LONGEST_REFUSAL_SECONDS = 30.0
"""Bound of the back-off with which a gang that does not fit asks again."""
VERDICT_SECONDS = 2.0
"""mpiexec notices the death of a proxy within milliseconds, or never."""
NATURAL_END_SECONDS = 2.0
"""Proxies end by themselves when mpiexec has; their agents report it within 0.1 s."""
GRACE_SECONDS = 2.0
"""From TERM to KILL for mpiexec."""
DRAIN_SECONDS = 15.0
"""An agent kills within 3 s (a container: 5 s) and reports it."""


@dataclass(slots=True)
class Turn:
    """One step in the making: the gang as it is so far, and the commands so far."""

    gang: Gang
    now: float
    commands: list[Command] = field(default_factory=list)

    def update(self, **changes: Any) -> None:
        """Replace fields of the gang, but its state."""
        self.gang = replace(self.gang, **changes)

    def do(self, *commands: Command) -> None:
        """Add commands, to be carried out in order."""
        self.commands.extend(commands)

    def enter(self, state: State) -> None:
        """Change the state, if the table lists the transition."""
        if state not in TRANSITIONS[self.gang.state]:
            raise UnlistedTransitionError(self.gang, state)
        self.update(state=state, history=(*self.gang.history, (self.now, state)))

    def set_deadline(self, deadline: Deadline, seconds: float) -> None:
        """(Re)start a deadline, so many seconds from now."""
        self.update(deadlines={**self.gang.deadlines, deadline: self.now + seconds})

    def clear_deadlines(self, *cleared: Deadline) -> None:
        """Forget deadlines, whether they were set or not."""
        kept = {key: at for key, at in self.gang.deadlines.items() if key not in cleared}
        self.update(deadlines=kept)

    def change_task(self, task: Task, **changes: Any) -> Task:
        """Replace fields of a task."""
        changed = replace(task, **changes)
        self.update(tasks={**self.gang.tasks, task.task_id: changed})
        return changed


def step(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """What an event at a time makes of a gang, and what is to be done then."""
    if gang.state is State.DONE:
        return gang, ()
    turn = Turn(gang, now)
    _HANDLERS[type(event)](turn, event)
    return turn.gang, tuple(turn.commands)


# --- the master -----------------------------------------------------------------------


def _subscribed(turn: Turn, event: Subscribed) -> None:
    turn.update(framework_id=event.framework_id, master=event.master, is_connected=True)
    turn.clear_deadlines(Deadline.MASTER)
    spec = turn.gang.spec
    if turn.gang.state is State.DRAINING and event.again:
        alive = turn.gang.alive_tasks
        turn.do(ReconcileTasks(tasks=tuple((task.task_id, task.agent_id) for task in alive)))
        _kill(turn, alive)
    elif turn.gang.state is State.COLLECTING and Deadline.RESOURCES not in turn.gang.deadlines:
        wait = 0.0 if spec.dry_run else spec.wait
        if wait is not None:
            turn.set_deadline(Deadline.RESOURCES, max(wait, SETTLE_SECONDS))


def _capacity_reported(turn: Turn, event: CapacityReported) -> None:
    turn.update(capacity=event.agents)
    if turn.gang.state is State.COLLECTING and not turn.gang.tasks:
        obstacle = find_obstacle(turn.gang.spec, event.agents)
        if obstacle is not None:
            _end(
                turn,
                Outcome(
                    exit_status=ExitStatus.FAILED, message=obstacle.message, remedy=obstacle.remedy
                ),
            )


def _master_lost(turn: Turn, event: MasterLost) -> None:
    turn.update(held={}, is_connected=False)
    # Each attempt that fails is an event as well; the first one counts.
    if Deadline.MASTER not in turn.gang.deadlines:
        turn.set_deadline(Deadline.MASTER, RECONNECT_SECONDS)
    if turn.gang.alive_tasks:
        # With failover_timeout 0 a living master has already ended the tasks.
        _end(
            turn,
            Outcome(exit_status=ExitStatus.FAILED, message=f"lost the master: {event.message}"),
        )


def _master_erred(turn: Turn, event: MasterErred) -> None:
    turn.update(held={}, is_connected=False)
    for task in turn.gang.alive_tasks:
        turn.change_task(task, state=TaskState.LOST)
    _end(turn, Outcome(exit_status=ExitStatus.FAILED, message=event.message, remedy=event.remedy))


# --- offers ---------------------------------------------------------------------------


def _offers_received(turn: Turn, event: OffersReceived) -> None:
    if turn.gang.state is not State.COLLECTING:
        _decline(turn, [offer.offer_id for offer in event.offers], REFUSE_UNNEEDED_SECONDS)
        return
    gang = turn.gang
    taken = gang.failed_agents | {task.agent_id for task in gang.current_tasks}
    usable = {
        offer.offer_id: offer
        for offer in event.offers
        if offer.agent_id not in taken and is_eligible(offer, gang.spec)
    }
    unusable = [offer.offer_id for offer in event.offers if offer.offer_id not in usable]
    _decline(turn, unusable, REFUSE_UNUSABLE_SECONDS * (1 + event.jitter))
    until = turn.now + HOLD_SECONDS * (1 + event.jitter)
    newly_held = {key: HeldOffer(offer=offer, until=until) for key, offer in usable.items()}
    turn.update(held={**gang.held, **newly_held}, jitter=event.jitter)
    _launch_if_all_fit(turn)


def _launch_if_all_fit(turn: Turn) -> None:
    gang = turn.gang
    slot_sizes = gang.spec.slot_sizes
    sizes = [slot_sizes[slot] for slot in gang.open_slots]
    offers = by_agent(held.offer for held in gang.held.values())
    candidates = [together(of_agent) for of_agent in offers.values()]
    filled = fill(sizes, gang.spec.rank, candidates, gang.spec.policy)
    placed = [candidate for candidate in filled if candidate is not None]
    turn.update(slots_offered=len(gang.current_tasks) + len(placed))
    if len(placed) < len(sizes):
        return
    turn.update(placement=tuple(zip(placed, sizes, strict=True)))
    if gang.spec.dry_run:
        _end(turn, Outcome(exit_status=ExitStatus.OK))
        return
    _launch(turn, {candidate.agent_id: offers[candidate.agent_id] for candidate in placed})
    _decline(turn, list(turn.gang.held), REFUSE_UNNEEDED_SECONDS)
    turn.do(SuppressOffers())
    turn.update(held={})
    turn.clear_deadlines(Deadline.RESOURCES)
    turn.set_deadline(Deadline.START, gang.spec.start_timeout)
    turn.enter(State.LAUNCHING)


def _launch(turn: Turn, offers: Mapping[str, Sequence[Offer]]) -> None:
    """Turn all held offers of each of these agents into the task of an open slot."""
    gang = turn.gang
    slot_sizes = gang.spec.slot_sizes
    tasks, slots = dict(gang.tasks), list(gang.slots)
    attempts = Counter(task.slot for task in tasks.values())
    for slot, of_agent in zip(gang.open_slots, offers.values(), strict=True):
        task = Task(
            # Never used twice: a real agent crashes on an id that has just ended.
            task_id=f"{gang.spec.job_id}.{slot}.{attempts[slot]}",
            slot=slot,
            ranks=slot_sizes[slot],
            agent_id=of_agent[0].agent_id,
            hostname=of_agent[0].hostname,
        )
        tasks[task.task_id] = task
        slots[slot] = task.task_id
        turn.do(_launch_command(task, of_agent, gang.spec.rank))
    held = {key: held for key, held in gang.held.items() if held.offer.agent_id not in offers}
    turn.update(held=held, tasks=tasks, slots=tuple(slots))


def _launch_command(task: Task, offers: Sequence[Offer], rank: Demand) -> LaunchTask:
    return LaunchTask(
        task_id=task.task_id,
        agent_id=task.agent_id,
        hostname=task.hostname,
        address=offers[0].address,
        ranks=task.ranks,
        shares=take([share for offer in offers for share in offer.shares], rank * task.ranks),
        offer_ids=tuple(offer.offer_id for offer in offers),
    )


def _offer_rescinded(turn: Turn, event: OfferRescinded) -> None:
    held = turn.gang.held
    turn.update(held={key: value for key, value in held.items() if key != event.offer_id})


def _decline(turn: Turn, offer_ids: list[str], refuse_seconds: float) -> None:
    if offer_ids:
        turn.do(DeclineOffers(offer_ids=tuple(offer_ids), refuse_seconds=refuse_seconds))


def _decline_overdue(turn: Turn) -> None:
    """Give back what was held in vain, for longer each time."""
    held = turn.gang.held
    overdue = [key for key, value in held.items() if value.until <= turn.now]
    if not overdue:
        return
    # A float holds no more than 2**1023, and a gang may wait for days.
    backed_off = min(LONGEST_REFUSAL_SECONDS, 2.0 ** min(turn.gang.rounds, 10))
    _decline(turn, overdue, backed_off * (0.5 + turn.gang.jitter))
    turn.update(
        held={key: value for key, value in held.items() if value.until > turn.now},
        rounds=turn.gang.rounds + 1,
    )


# --- tasks, before MPI ----------------------------------------------------------------


def _proxy_connected(turn: Turn, event: ProxyConnected) -> None:
    task = _waited_for(turn.gang, event.task_id)
    if task is None:
        return
    turn.change_task(task, proxy_address=event.address)
    if turn.gang.state is State.LAUNCHING and turn.gang.is_complete:
        hosts = tuple(
            MpiHost(task_id=task.task_id, address=task.proxy_address or "", ranks=task.ranks)
            for task in turn.gang.current_tasks
        )
        turn.do(StartMpi(hosts=hosts))
        turn.update(mpi=Mpi.STARTED)
        if turn.gang.spec.time_limit is not None:
            turn.set_deadline(Deadline.TIME_LIMIT, turn.gang.spec.time_limit)
        turn.enter(State.CONNECTING)


def _proxy_lost(turn: Turn, event: ProxyLost) -> None:
    """It may call again, or its end is reported by its agent; the start timeout watches."""
    task = _waited_for(turn.gang, event.task_id)
    if task is not None:
        turn.change_task(task, proxy_address=None)


def _proxy_complained(turn: Turn, event: ProxyComplained) -> None:
    task = _waited_for(turn.gang, event.task_id)
    if task is not None:
        _lose_host(turn, task, event.reason)


def _waited_for(gang: Gang, task_id: str) -> Task | None:
    """The task, if it fills a slot of a gang whose MPI has not started."""
    is_waiting = gang.state in (State.COLLECTING, State.LAUNCHING) and task_id in gang.slots
    return gang.tasks[task_id] if is_waiting else None


def _lose_host(
    turn: Turn, task: Task, why: str, *, remedy: str | None = None, is_to_blame: bool = True
) -> None:
    """Replace a host that failed before MPI, if there are retries and agents left."""
    if task.is_alive:
        _kill(turn, (task,))
    failure = f"{task.hostname}: {why}"
    slots = turn.gang.slots
    turn.update(slots=(*slots[: task.slot], None, *slots[task.slot + 1 :]))
    if is_to_blame:
        if not turn.gang.retries_left:
            after = f" (after {turn.gang.spec.retries} replaced)" if turn.gang.spec.retries else ""
            _fail(turn, failure + after, remedy)
            return
        turn.update(
            failed_agents=turn.gang.failed_agents | {task.agent_id},
            retries_left=turn.gang.retries_left - 1,
        )
        if not _has_replacement(turn.gang):
            _fail(turn, f"{failure}; no other agent could take its place", remedy)
            return
    if turn.gang.state is State.LAUNCHING:
        turn.enter(State.COLLECTING)
    turn.update(slots_offered=len(turn.gang.current_tasks))
    turn.do(ReviveOffers())


def _has_replacement(gang: Gang) -> bool:
    if gang.capacity is None:
        return True
    left = [agent for agent in gang.capacity if agent.agent_id not in gang.failed_agents]
    return find_obstacle(gang.spec, left) is None


# --- tasks, whenever ------------------------------------------------------------------


def _task_updated(turn: Turn, event: TaskUpdated) -> None:
    task = turn.gang.tasks.get(event.task_id)
    if task is None or not task.is_alive:
        return
    task = turn.change_task(task, state=event.state)
    if event.state.is_terminal:
        _task_ended(turn, task, event)


def _task_ended(turn: Turn, task: Task, event: TaskUpdated) -> None:
    # A task that was replaced has no part in the gang: its end is only waited for.
    is_current = task.task_id in turn.gang.slots
    if turn.gang.state is State.DRAINING:
        if is_current:
            _explain_outcome(turn, task, event)
        _finish_if_drained(turn)
    elif is_current and turn.gang.state in (State.COLLECTING, State.LAUNCHING):
        is_to_blame = event.reason != "REASON_INVALID_OFFERS"
        _lose_host(turn, task, describe_end(event), is_to_blame=is_to_blame)
    elif is_current:
        _task_ended_under_mpi(turn, task, event)


def _task_ended_under_mpi(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """mpiexec knows best why ranks ended, if it notices; it may also hang for ever."""
    gang = turn.gang
    if _is_lost(event):
        _fail(turn, f"{task.hostname}: {describe_end(event)}", event.remedy)
    elif event.state is not TaskState.FINISHED and gang.ended_first is None:
        turn.update(ended_first=f"{task.hostname}: {describe_end(event)}")
        turn.set_deadline(Deadline.VERDICT, VERDICT_SECONDS)
    elif Deadline.VERDICT not in gang.deadlines and not any(t.is_alive for t in gang.current_tasks):
        turn.set_deadline(Deadline.VERDICT, VERDICT_SECONDS)
    _run_if_all_attached(turn)


def _explain_outcome(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """A task's end can explain a failure that mpiexec could only report as a number."""
    outcome = turn.gang.outcome
    if outcome is None or not outcome.exit_status:
        return
    message = f"{task.hostname}: {describe_end(event)}"
    if event.remedy is not None:
        explained = replace(outcome, message=message, remedy=event.remedy)
        turn.update(outcome=explained)
        return
    # What mpiexec says of its own failure names no host; until KILL none of this is our doing.
    is_vague = outcome.exit_status == ExitStatus.FAILED and Deadline.KILL in turn.gang.deadlines
    if _is_lost(event) and (is_vague or not outcome.message):
        turn.update(outcome=Outcome(exit_status=ExitStatus.FAILED, message=message))


def _is_lost(event: TaskUpdated) -> bool:
    """Whether the task ended by something else than its own process' end or our kill."""
    return event.state not in (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED) or (
        event.state is TaskState.FAILED and event.source not in ("SOURCE_EXECUTOR", "")
    )


def describe_end(event: TaskUpdated) -> str:
    """How a task ended, in words: the master's own, and the reason if there is one."""
    reason = event.reason.removeprefix("REASON_").replace("_", " ").lower()
    # One line: after "Memory limit exceeded" come pages of statistics.
    first_line = event.message.strip().partition("\n")[0].rstrip(". ")
    parts = [first_line, f"({reason})" if reason else ""]
    said = " ".join(part for part in parts if part)
    return said or event.state.value.removeprefix("TASK_").lower()


def _agent_lost(turn: Turn, event: AgentLost) -> None:
    for task in turn.gang.alive_tasks:
        if task.agent_id == event.agent_id:
            update = TaskUpdated(
                task_id=task.task_id,
                state=TaskState.LOST,
                message="the master has removed the agent",
                source="SOURCE_MASTER",
            )
            _task_updated(turn, update)


# --- MPI ------------------------------------------------------------------------------


def _proxies_attached(turn: Turn, event: ProxiesAttached) -> None:
    if turn.gang.state is State.CONNECTING:
        turn.update(attached=event.count)
        _run_if_all_attached(turn)


def _run_if_all_attached(turn: Turn) -> None:
    gang = turn.gang
    # A proxy whose ranks end at once may have come and gone before anybody looked.
    finished = sum(task.state is TaskState.FINISHED for task in gang.current_tasks)
    if gang.state is State.CONNECTING and gang.attached + finished >= gang.spec.nodes:
        turn.clear_deadlines(Deadline.START)
        turn.enter(State.RUNNING)


def _mpi_exited(turn: Turn, event: MpiExited) -> None:
    turn.update(mpi=Mpi.ENDED)
    if turn.gang.state is State.DRAINING:
        _finish_if_drained(turn)
        return
    _end(turn, _outcome_of(event), is_natural=True)


def _cancelled(turn: Turn, event: Cancelled) -> None:
    if turn.gang.state is State.DRAINING:
        _leave(turn)
    else:
        _end(turn, _outcome_of(event))


def _outcome_of(event: MpiExited | Cancelled) -> Outcome:
    return Outcome(exit_status=event.exit_status, message=event.message, remedy=event.remedy)


# --- the end --------------------------------------------------------------------------


def _end(turn: Turn, outcome: Outcome, *, is_natural: bool = False) -> None:
    """Start draining; the first outcome stands. A natural end leaves tasks a moment."""
    if turn.gang.outcome is None:
        turn.update(outcome=outcome)
    _decline(turn, list(turn.gang.held), REFUSE_UNNEEDED_SECONDS)
    turn.update(held={})
    if turn.gang.state is not State.DRAINING:
        turn.update(deadlines={})
        if turn.gang.tasks:
            turn.enter(State.DRAINING)
            turn.set_deadline(Deadline.DRAIN, DRAIN_SECONDS)
        if is_natural:
            turn.set_deadline(Deadline.KILL, NATURAL_END_SECONDS)
        else:
            _kill(turn, turn.gang.alive_tasks)
        if turn.gang.mpi is Mpi.STARTED:
            turn.do(EndMpi(grace=GRACE_SECONDS))
    _finish_if_drained(turn)


def _kill(turn: Turn, tasks: tuple[Task, ...]) -> None:
    turn.do(*(KillTask(task_id=task.task_id, agent_id=task.agent_id) for task in tasks))


def _finish_if_drained(turn: Turn) -> None:
    if turn.gang.mpi is not Mpi.STARTED and not turn.gang.alive_tasks:
        turn.do(TearDown())
        turn.update(deadlines={})
        turn.enter(State.DONE)


def _leave(turn: Turn) -> None:
    """Give up waiting. Tearing the framework down makes the master end what is left."""
    if turn.gang.mpi is Mpi.STARTED:
        turn.do(EndMpi(grace=0.0))
    turn.do(TearDown())
    turn.update(deadlines={}, is_forced=True)
    turn.enter(State.DONE)


# --- time -----------------------------------------------------------------------------


def _time_passed(turn: Turn, _: TimePassed) -> None:
    _decline_overdue(turn)
    due = sorted(
        (at, deadline.value) for deadline, at in turn.gang.deadlines.items() if at <= turn.now
    )
    for _at, value in due:
        deadline = Deadline(value)
        # An earlier one may have ended the job, and with it the others.
        if deadline in turn.gang.deadlines:
            turn.clear_deadlines(deadline)
            _ON_DEADLINE[deadline](turn)


def _master_overdue(turn: Turn) -> None:
    if turn.gang.state is State.COLLECTING:
        _fail(turn, f"no master for {RECONNECT_SECONDS:g} s")


def _resources_overdue(turn: Turn) -> None:
    spec, gang = turn.gang.spec, turn.gang
    when = f"within {spec.wait:g} s" if spec.wait and not spec.dry_run else "now"
    _fail(
        turn,
        f"only {gang.slots_offered} of {spec.nodes} nodes with room were offered {when}",
        remedy="give it time with --wait, or ask for less",
    )


def _start_overdue(turn: Turn) -> None:
    gang = turn.gang
    limit = f"{gang.spec.start_timeout:g} s (--start-timeout)"
    if gang.state is State.COLLECTING:
        _fail(turn, f"no agent to replace {len(gang.open_slots)} failed hosts within {limit}")
    elif gang.state is State.CONNECTING:
        _fail(
            turn,
            f"only {gang.attached} of {gang.spec.nodes} proxies reached mpiexec within {limit}",
            remedy="a firewall between the hosts and this one is the usual cause",
        )
    else:
        late = [task for task in gang.current_tasks if task.proxy_address is None]
        for task in late:
            if turn.gang.outcome is None:
                is_running = task.state is TaskState.RUNNING
                _lose_host(
                    turn,
                    task,
                    f"did not call back within {limit}; "
                    + (
                        "its task runs: can the host reach this one (--advertise)?"
                        if is_running
                        else f"its task is {task.state.value}"
                    ),
                )
        if turn.gang.state is State.COLLECTING:
            turn.set_deadline(Deadline.START, gang.spec.start_timeout)


def _time_limit_overdue(turn: Turn) -> None:
    limit = turn.gang.spec.time_limit
    message = f"ran longer than {limit:g} s (--time-limit)"
    _end(turn, Outcome(exit_status=ExitStatus.TIME_LIMIT, message=message))


def _verdict_overdue(turn: Turn) -> None:
    ended = turn.gang.ended_first or "all tasks have ended"
    _fail(turn, f"{ended}, and mpiexec did not notice")


def _kill_overdue(turn: Turn) -> None:
    _kill(turn, turn.gang.alive_tasks)


def _fail(turn: Turn, message: str, remedy: str | None = None) -> None:
    _end(turn, Outcome(exit_status=ExitStatus.FAILED, message=message, remedy=remedy))


_ON_DEADLINE: dict[Deadline, Callable[[Turn], None]] = {
    Deadline.MASTER: _master_overdue,
    Deadline.RESOURCES: _resources_overdue,
    Deadline.START: _start_overdue,
    Deadline.TIME_LIMIT: _time_limit_overdue,
    Deadline.VERDICT: _verdict_overdue,
    Deadline.KILL: _kill_overdue,
    Deadline.DRAIN: _leave,
}

_HANDLERS: dict[type[Event], Callable[[Turn, Any], None]] = {
    AgentLost: _agent_lost,
    Cancelled: _cancelled,
    CapacityReported: _capacity_reported,
    MasterErred: _master_erred,
    MasterLost: _master_lost,
    MpiExited: _mpi_exited,
    OfferRescinded: _offer_rescinded,
    OffersReceived: _offers_received,
    ProxiesAttached: _proxies_attached,
    ProxyComplained: _proxy_complained,
    ProxyConnected: _proxy_connected,
    ProxyLost: _proxy_lost,
    Subscribed: _subscribed,
    TaskUpdated: _task_updated,
    TimePassed: _time_passed,
}
