"""A model of a cluster, and of all that can happen to a gang on it.

The model keeps books of its own (`cluster_books.py`), and compares them with the gang after each
step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from cluster_books import Books, ModelAgent, ModelOffer
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mrunkit.scheduler.collecting import HOLD_SECONDS
from mrunkit.scheduler.commands import Command, LaunchTask
from mrunkit.scheduler.events import (
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
from mrunkit.scheduler.gang import Deadline, Gang, State, new_gang
from mrunkit.scheduler.job import JobSpec, Policy
from mrunkit.scheduler.offers import Agent, Offer, Share
from mrunkit.scheduler.resources import NOTHING, Demand, Resources, fixed
from mrunkit.scheduler.transitions import step

Step = Callable[[Gang, Event, float], tuple[Gang, tuple[Command, ...]]]

ALIVE = [state for state in TaskState if not state.is_terminal]
TERMINAL = [state for state in TaskState if state.is_terminal]
REASONS = ["", "REASON_INVALID_OFFERS", "REASON_EXECUTOR_TERMINATED", "REASON_RECONCILIATION"]
SOURCES = ["", "SOURCE_MASTER", "SOURCE_AGENT", "SOURCE_EXECUTOR"]
JITTER = st.sampled_from([0.0, 0.25, 0.5, 1.0])

amounts = st.builds(
    Resources,
    cpus=st.sampled_from([0.3, 1.0, 2.0, 4.0, 8.0]),
    mem=st.sampled_from([64.0, 256.0, 1024.0]),
    ports=st.sampled_from([(), ((31000, 31003),), ((31000, 31001), (31005, 31009))]),
)
roomy = st.just(Resources(cpus=8.0, mem=2048.0, ports=((31000, 31019),)))
reserved = st.sampled_from([NOTHING, Resources(cpus=1.0, mem=128.0)])
clusters = st.lists(st.tuples(roomy | amounts, reserved), min_size=2, max_size=6)


@st.composite
def specs(draw: st.DrawFn) -> JobSpec:
    """Jobs of one to four nodes; most of them fit on most of the clusters."""
    nodes = draw(st.integers(1, 4))
    return JobSpec(
        job_id="job",
        nodes=nodes,
        procs=draw(st.integers(nodes, 2 * nodes + 1)),
        rank=Demand(
            cpus=draw(st.sampled_from([0.1, 0.5, 1.0])),
            mem=draw(st.sampled_from([0.0, 32.0])),
            ports=draw(st.sampled_from([0, 0, 1])),
        ),
        policy=draw(st.sampled_from(Policy)),
        exclude=draw(st.sampled_from([frozenset(), frozenset({"host0"})])),
        wait=draw(st.sampled_from([None, None, 0.0, 30.0])),
        time_limit=draw(st.sampled_from([None, 20.0])),
        retries=draw(st.integers(0, 3)),
        dry_run=draw(st.sampled_from([False] * 7 + [True])),
    )


class ClusterMachine(RuleBasedStateMachine):
    """A cluster that does whatever a cluster may do to one gang."""

    step: Step = staticmethod(step)

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.is_sound = False
        self.books = Books()
        self.offer_numbers = itertools.count()
        self.agent_numbers = itertools.count()
        self.trace: list[tuple[Event, float, Gang, tuple[Command, ...]]] = []

    @initialize(spec=specs(), parts=clusters)
    def start(self, spec: JobSpec, parts: list[tuple[Resources, Resources]]) -> None:
        for unreserved, reserved_part in parts:
            self._add_agent(unreserved, reserved_part)
        self.gang = new_gang(spec, self.now)
        self.books.is_subscribed = True
        self.send(Subscribed(framework_id="f", master="m:5050"))

    def _add_agent(self, unreserved: Resources, reserved_part: Resources) -> None:
        number = next(self.agent_numbers)
        self.books.agents[f"S{number}"] = ModelAgent(
            agent_id=f"S{number}",
            hostname=f"host{number}",
            whole=unreserved + reserved_part,
            free={"*": unreserved, "web": reserved_part},
        )

    # --- one step, and what it must hold to -------------------------------------------

    def send(self, event: Event) -> None:
        """Let an event happen, carry the commands out and compare the books."""
        before = self.gang
        if isinstance(event, MasterLost | MasterErred):
            self._forget_offers()
            self.books.is_subscribed = False
        after, commands = type(self).step(before, event, self.now)
        self.trace.append((event, self.now, after, commands))
        if before.state is State.DONE:
            assert (after, commands) == (before, ())
            return
        self.gang = after
        self.is_sound = False
        for command in commands:
            self.books.carry_out(command, before.spec)
        launches = [command for command in commands if isinstance(command, LaunchTask)]
        if launches:
            assert len(launches) == len(before.open_slots), "a part of a gang was launched"
        self.books.check_slots(after)
        self.books.check_offers(after)
        self.books.check_end(after, self.now)
        self._check_outcome(before, event)
        self.is_sound = True

    def _check_outcome(self, before: Gang, event: Event) -> None:
        gang = self.gang
        if before.outcome is not None:
            assert gang.outcome is not None
            if before.outcome.exit_status:
                assert gang.outcome.exit_status, "a failure became a success"
        elif gang.outcome is not None and not isinstance(event, MpiExited):
            assert gang.spec.dry_run or gang.outcome.message, "ended without a reason"
        assert (gang.outcome is None) == (gang.state not in (State.DRAINING, State.DONE))

    @invariant()
    def it_waits_for_something(self) -> None:
        gang, books = self.gang, self.books
        if gang.state is State.COLLECTING:
            assert books.is_subscribed or gang.next_deadline is not None, "stuck without a master"
            assert not (books.is_subscribed and books.is_suppressed), "stuck without offers"
        elif gang.state is State.RUNNING:
            assert books.is_mpi_running
        elif gang.state is not State.DONE:
            assert gang.next_deadline is not None, f"stuck in {gang.state.name}"

    @invariant()
    def two_cancellations_end_it(self) -> None:
        gang = self.gang
        for _ in range(2):
            gang, _commands = type(self).step(gang, Cancelled(exit_status=130, message="!"), 0.0)
        assert gang.state is State.DONE

    def teardown(self) -> None:
        if not self.is_sound:  # what has failed already is not to be hidden
            return
        gang = new_gang(self.gang.spec, 100.0)
        for event, now, after, commands in self.trace:
            gang, replayed = type(self).step(gang, event, now)
            assert replayed == commands, "the same events gave other commands"
            assert gang == after, "the same events gave another gang"
        for _ in range(30):  # every deadline that comes ends, or moves on
            if self.gang.next_deadline is None:
                break
            self.reach_deadline()
        for _ in range(2):
            self.cancel()
        assert self.gang.state is State.DONE

    # --- what the cluster does --------------------------------------------------------

    def _is_open(self) -> bool:
        return self.books.is_subscribed and self.gang.state is not State.DONE

    @precondition(_is_open)
    @rule(data=st.data(), jitter=JITTER)
    def offer_some(self, data: st.DataObject, jitter: float) -> None:
        """A part of what some agents have; so an agent comes to have several offers out."""
        agents = list(self.books.agents.values())
        chosen = data.draw(st.lists(st.sampled_from(agents), max_size=4)) if agents else []
        offers = [self._offer(agent, is_half=data.draw(st.booleans())) for agent in chosen]
        self._send_offers(offers, jitter)

    @precondition(_is_open)
    @rule(jitter=JITTER)
    def offer_all(self, jitter: float) -> None:
        self._send_offers(
            [self._offer(a, is_half=False) for a in self.books.agents.values()], jitter
        )

    @precondition(_is_open)
    @rule(jitter=JITTER, trouble=st.sampled_from(["none", "a host fails", "a proxy hangs up"]))
    def go_as_far_as_mpi(self, jitter: float, trouble: str) -> None:
        """What most jobs do, in one go, because chance alone seldom gets there."""
        self.offer_all(jitter)
        if self.gang.state is not State.LAUNCHING:
            return
        first, *others = (task.task_id for task in self.gang.current_tasks)
        if trouble == "a host fails":
            self.send(ProxyComplained(task_id=first, reason="no hydra_pmi_proxy"))
            self.offer_all(jitter)
        elif trouble == "a proxy hangs up" and others:
            self._connect(first)
            self._hang_up(first)
            for task_id in others:
                self._connect(task_id)
        else:
            self.connect_all_proxies()

    def _offer(self, agent: ModelAgent, *, is_half: bool) -> Offer:
        shares = tuple(
            Share(role=role, resources=_half(free) if is_half else free)
            for role, free in agent.free.items()
            if not free.is_empty
        )
        for share in shares:
            agent.free[share.role] -= share.resources
        return (
            Offer.of(
                f"O{next(self.offer_numbers)}",
                agent.agent_id,
                hostname=agent.hostname,
                address=agent.hostname,
                shares=shares,
            )
            if shares
            else EMPTY_OFFER
        )

    def _send_offers(self, offers: list[Offer], jitter: float) -> None:
        offers = [offer for offer in offers if offer is not EMPTY_OFFER]
        until = self.now + 2 * HOLD_SECONDS
        self.books.offers |= {o.offer_id: ModelOffer(offer=o, until=until) for o in offers}
        self.send(OffersReceived(offers=tuple(offers), jitter=jitter))

    def _forget_offers(self) -> None:
        for held in self.books.offers.values():
            self.books.agents[held.offer.agent_id].give_back(held.offer.shares)
        self.books.offers = {}

    def _rescind(self, offer_id: str) -> None:
        held = self.books.offers.pop(offer_id)
        self.books.agents[held.offer.agent_id].give_back(held.offer.shares)
        self.send(OfferRescinded(offer_id=offer_id))

    @precondition(lambda self: self.books.offers)
    @rule(data=st.data())
    def rescind(self, data: st.DataObject) -> None:
        self._rescind(data.draw(st.sampled_from(sorted(self.books.offers))))

    @precondition(_is_open)
    @rule()
    def report_capacity(self) -> None:
        agents = tuple(
            Agent(agent_id=a.agent_id, hostname=a.hostname, address=a.hostname, available=a.whole)
            for a in self.books.agents.values()
        )
        self.send(CapacityReported(agents=agents))

    def _any_task(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.books.tasks)))

    @precondition(lambda self: self.books.tasks)
    @rule(data=st.data(), state=st.sampled_from(ALIVE))
    def task_goes_on(self, data: st.DataObject, state: TaskState) -> None:
        self.send(TaskUpdated(task_id=self._any_task(data), state=state))

    @precondition(lambda self: self.books.tasks)
    @rule(
        data=st.data(),
        state=st.sampled_from(TERMINAL),
        reason=st.sampled_from(REASONS),
        source=st.sampled_from(SOURCES),
        failed_rank=st.sampled_from([None, None, 0, 3]),
    )
    def task_ends(
        self,
        data: st.DataObject,
        state: TaskState,
        reason: str,
        source: str,
        failed_rank: int | None,
    ) -> None:
        task_id = self._any_task(data)
        before = self.gang
        is_told = self.books.tasks[task_id].is_alive and self.books.is_mpi_started
        if failed_rank is not None and is_told and task_id in before.slots:
            self.books.has_failed_rank = True
        self._end_task(task_id)
        update = TaskUpdated(
            task_id=task_id, state=state, reason=reason, source=source, failed_rank=failed_rank
        )
        self.send(update)
        if self.books.has_failed_rank and self.gang.state is not State.DONE:
            assert self.gang.failed_rank is not None, "a failed rank was not noted"
        if task_id not in before.slots and before.state is not State.DRAINING:
            assert self.gang.state is before.state, "a replaced task's end means nothing"
            assert self.gang.deadlines == before.deadlines

    def _end_task(self, task_id: str) -> None:
        task = self.books.tasks[task_id]
        agent = self.books.agents.get(task.launch.agent_id)
        if task.is_alive and agent is not None:
            agent.give_back(task.launch.shares)
        task.is_alive = task.is_waiting = False

    @precondition(lambda self: self.books.tasks)
    @rule()
    def killed_tasks_end(self) -> None:
        for task_id, task in list(self.books.tasks.items()):
            if task.is_killed and task.is_alive:
                self._end_task(task_id)
                self.send(TaskUpdated(task_id=task_id, state=TaskState.KILLED))

    @precondition(lambda self: self.books.agents)
    @rule(data=st.data(), comes_back=st.booleans())
    def lose_agent(self, data: st.DataObject, comes_back: bool) -> None:
        agent_id = data.draw(st.sampled_from(sorted(self.books.agents)))
        for offer_id, held in list(self.books.offers.items()):
            if held.offer.agent_id == agent_id:
                self._rescind(offer_id)
        lost = self.books.agents.pop(agent_id)
        for task_id, task in self.books.tasks.items():
            if task.launch.agent_id == agent_id:
                self._end_task(task_id)
        self.send(AgentLost(agent_id=agent_id))
        if comes_back:
            self._add_agent(lost.whole, NOTHING)

    @precondition(lambda self: self.books.tasks)
    @rule(data=st.data())
    def connect_proxy(self, data: st.DataObject) -> None:
        self._connect(self._any_task(data))

    @precondition(lambda self: self.books.tasks)
    @rule()
    def connect_all_proxies(self) -> None:
        for task_id in list(self.books.tasks):
            self._connect(task_id)

    def _connect(self, task_id: str) -> None:
        if self.books.tasks[task_id].is_alive:
            self.books.tasks[task_id].is_waiting = True
            self.send(ProxyConnected(task_id=task_id, address=f"addr-{task_id}"))

    @precondition(lambda self: self.books.tasks)
    @rule(data=st.data())
    def lose_proxy(self, data: st.DataObject) -> None:
        self._hang_up(self._any_task(data))

    def _hang_up(self, task_id: str) -> None:
        self.books.tasks[task_id].is_waiting = False
        self.send(ProxyLost(task_id=task_id))

    @precondition(lambda self: self.books.tasks)
    @rule(data=st.data())
    def proxy_complains(self, data: st.DataObject) -> None:
        self.send(ProxyComplained(task_id=self._any_task(data), reason="no hydra_pmi_proxy"))

    @precondition(lambda self: self.books.is_mpi_running)
    @rule(missing=st.integers(0, 1))
    def attach_proxies(self, missing: int) -> None:
        self.send(ProxiesAttached(count=self.gang.spec.nodes - missing))

    @precondition(lambda self: self.books.is_mpi_running)
    @rule(status=st.sampled_from([0, 0, 7]), message=st.sampled_from(["", "", "it crashed"]))
    def exit_mpi(self, status: int, message: str) -> None:
        self.books.is_mpi_running = False
        self.send(MpiExited(exit_status=status, message=message))

    @precondition(lambda self: self.books.is_subscribed)
    @rule(comes_back=st.booleans())
    def lose_master(self, comes_back: bool) -> None:
        self.send(MasterLost(message="connection reset"))
        if comes_back:
            self._subscribe_again()
        else:
            self.let_time_pass(0.25)
            self.lose_master_again()

    @precondition(lambda self: not self.books.is_subscribed and not self.books.has_erred)
    @rule()
    def lose_master_again(self) -> None:
        deadline = self.gang.deadlines.get(Deadline.MASTER)
        self.send(MasterLost(message="connection refused"))
        after = self.gang.deadlines.get(Deadline.MASTER)
        assert deadline in (None, after) or after is None, "put off by failing again"

    @precondition(lambda self: not self.books.is_subscribed and not self.books.has_erred)
    @rule()
    def subscribe_again(self) -> None:
        self._subscribe_again()

    def _subscribe_again(self) -> None:
        self.books.is_subscribed = self.gang.state is not State.DONE
        self.send(Subscribed(framework_id="f", master="m:5050", again=True))

    @precondition(lambda self: self.books.is_subscribed and len(self.trace) > 8)
    @rule()
    def master_errs(self) -> None:
        for task_id in self.books.tasks:
            self._end_task(task_id)
        self.books.has_erred = True
        self.send(MasterErred(message="Framework has been removed"))

    @precondition(lambda self: len(self.trace) > 8)
    @rule()
    def cancel(self) -> None:
        self.books.is_hurried |= self.gang.state is State.DRAINING
        self.send(Cancelled(exit_status=130, message="interrupted"))

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def let_time_pass(self, seconds: float) -> None:
        due = self.gang.next_deadline
        if due is not None and due <= self.now + seconds:
            self.reach_deadline()
        else:
            self.now += seconds
            self.send(TimePassed())

    @precondition(lambda self: self.gang.next_deadline is not None)
    @rule()
    def reach_deadline(self) -> None:
        assert self.gang.next_deadline is not None
        self.now = self.gang.next_deadline
        self.send(TimePassed())
        assert self.gang.next_deadline is None or self.gang.next_deadline > self.now


EMPTY_OFFER = Offer.of("", "", hostname="", address="", shares=())


def _half(whole: Resources) -> Resources:
    return Resources(cpus=fixed(whole.cpus / 2), mem=fixed(whole.mem / 2), ports=whole.ports[:1])
