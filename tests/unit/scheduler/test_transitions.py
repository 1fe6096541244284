"""What a gang does about each thing that can happen to it, one example each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from mrunkit.errors import ExitStatus
from mrunkit.scheduler.collecting import (
    HOLD_SECONDS,
    LONGEST_REFUSAL_SECONDS,
    REFUSE_UNUSABLE_SECONDS,
)
from mrunkit.scheduler.commands import (
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
from mrunkit.scheduler.ending import DRAIN_SECONDS, NATURAL_END_SECONDS, REFUSE_UNNEEDED_SECONDS
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
from mrunkit.scheduler.gang import (
    RECONNECT_SECONDS,
    TRANSITIONS,
    Deadline,
    Outcome,
    State,
    UnlistedTransitionError,
    new_gang,
)
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.offers import Agent, Offer, Share
from mrunkit.scheduler.resources import Demand, Resources
from mrunkit.scheduler.running import UNKNOWN_STATUS, VERDICT_SECONDS
from mrunkit.scheduler.transitions import SETTLE_SECONDS, step
from mrunkit.scheduler.turn import Turn

Kind = TypeVar("Kind", bound=Command)
FAILED = ExitStatus.FAILED


class Job:
    """A gang with a clock, and all commands it has given."""

    def __init__(self, nodes: int = 2, procs: int | None = None, **spec: Any) -> None:
        self.now = 0.0
        self.commands: list[Command] = []
        self.gang = new_gang(
            JobSpec(job_id="j", nodes=nodes, procs=procs or nodes, rank=Demand(cpus=1.0), **spec),
            self.now,
        )

    def send(self, *events: Event) -> tuple[Command, ...]:
        """Let events happen now; returns the commands for the last of them."""
        commands: tuple[Command, ...] = ()
        for event in events:
            self.gang, commands = step(self.gang, event, self.now)
            self.commands += commands
        return commands

    def wait(self, seconds: float) -> tuple[Command, ...]:
        """Let time pass, stopping at each deadline; returns all commands."""
        end, before = self.now + seconds, len(self.commands)
        while (due := self.gang.next_deadline) is not None and due <= end:
            self.now = due
            self.send(TimePassed())
        self.now = end
        return tuple(self.commands[before:])

    def subscribed(self) -> Job:
        """The master has us."""
        self.send(Subscribed(framework_id="f", master="m:5050"))
        return self

    def launched(self) -> Job:
        """Every slot has a task: j.0.0 on S0, j.1.0 on S1 and so on."""
        self.subscribed().send(offers(*range(self.gang.spec.nodes)))
        return self

    def connecting(self) -> Job:
        """All proxies wait, so mpiexec was started."""
        self.launched().send(*(connected(task) for task in self.gang.current_tasks))
        return self

    def running(self) -> Job:
        """All proxies reached mpiexec."""
        self.connecting().send(ProxiesAttached(count=self.gang.spec.nodes))
        return self

    def draining(self) -> Job:
        """mpiexec has ended well; the tasks have not been seen to end yet."""
        self.running().send(MpiExited(exit_status=0))
        return self

    def given(self, kind: type[Kind]) -> list[Kind]:
        """All commands of a kind so far."""
        return [command for command in self.commands if isinstance(command, kind)]


def offer(number: int, offer_id: str = "", cpus: float = 4.0, role: str = "*") -> Offer:
    """An offer of agent S<number>."""
    return Offer.of(
        offer_id or f"O{number}",
        f"S{number}",
        hostname=f"host{number}",
        address=f"10.0.0.{number}",
        shares=(Share(role=role, resources=Resources(cpus=cpus, mem=1024.0)),),
    )


def offers(*numbers: int, jitter: float = 0.5) -> OffersReceived:
    """One offer of each of these agents."""
    return OffersReceived(offers=tuple(offer(number) for number in numbers), jitter=jitter)


def connected(task: Any) -> ProxyConnected:
    """A task calls the rendezvous."""
    return ProxyConnected(task_id=task.task_id, address=f"ip-{task.agent_id}")


def ended(task_id: str, state: TaskState = TaskState.FAILED, **rest: str) -> TaskUpdated:
    """A task's last update, from its executor."""
    return TaskUpdated(task_id=task_id, state=state, **{"source": "SOURCE_EXECUTOR", **rest})


def capacity(*numbers: int, cpus: float = 4.0) -> CapacityReported:
    """What agents have in all."""
    return CapacityReported(
        agents=tuple(
            Agent(
                agent_id=f"S{number}",
                hostname=f"host{number}",
                address=f"10.0.0.{number}",
                available=Resources(cpus=cpus, mem=1024.0),
            )
            for number in numbers
        )
    )


def kinds(commands: Iterable[Command]) -> list[type[Command]]:
    """What commands they are."""
    return [type(command) for command in commands]


# --- collecting and launching ---------------------------------------------------------


def test_nothing_is_launched_before_all_slots_can_be_filled() -> None:
    """Offers for three of four nodes are held."""
    job = Job(nodes=4).subscribed()
    assert job.send(offers(0, 1, 2)) == ()
    assert job.gang.slots_offered == 3
    assert kinds(job.send(offers(3))) == [LaunchTask] * 4 + [SuppressOffers]
    assert job.gang.state is State.LAUNCHING


def test_each_task_takes_what_its_ranks_need() -> None:
    """10 ranks on 4 nodes: 3, 3, 2, 2 cpus."""
    job = Job(nodes=4, procs=10).launched()
    assert [task.ranks for task in job.given(LaunchTask)] == [3, 3, 2, 2]
    taken = [sum(s.resources.cpus for s in task.shares) for task in job.given(LaunchTask)]
    assert taken == [3.0, 3.0, 2.0, 2.0]


def test_offers_of_one_agent_are_accepted_together() -> None:
    """An agent's reserved and unreserved offers count as one room, the reserved used first."""
    job = Job(nodes=1, procs=3).subscribed()
    two = (offer(0, "A", cpus=2.0), offer(0, "B", cpus=2.0, role="web"))
    job.send(OffersReceived(offers=two))
    (launch,) = job.given(LaunchTask)
    assert launch.offer_ids == ("A", "B")
    assert launch.shares == (
        Share(role="web", resources=Resources(cpus=2.0)),
        Share(role="*", resources=Resources(cpus=1.0)),
    )


def test_what_is_not_needed_is_given_back() -> None:
    """For the rest of the job."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0, 1, 2))
    assert job.given(DeclineOffers) == [
        DeclineOffers(offer_ids=("O2",), refuse_seconds=REFUSE_UNNEEDED_SECONDS)
    ]


def test_an_excluded_agent_is_declined_at_once() -> None:
    """What cannot be used is not held."""
    job = Job(nodes=2, exclude=frozenset({"host0"})).subscribed()
    (decline,) = job.send(offers(0, 1, jitter=0.25))
    refuse = REFUSE_UNUSABLE_SECONDS * 1.25
    assert decline == DeclineOffers(offer_ids=("O0",), refuse_seconds=refuse)
    assert set(job.gang.held) == {"O1"}


def test_a_rescinded_offer_is_not_used() -> None:
    """It has to come again."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0), OfferRescinded(offer_id="O0"))
    assert job.send(offers(1)) == ()


def test_offers_after_the_launch_are_declined() -> None:
    """They were under way when the offers were suppressed."""
    job = Job(nodes=1).launched()
    assert job.send(offers(7)) == (
        DeclineOffers(offer_ids=("O7",), refuse_seconds=REFUSE_UNNEEDED_SECONDS),
    )


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_offers_are_held_for_a_bounded_time(jitter: float) -> None:
    """Then they are declined for a time that depends on the jitter."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0, jitter=jitter))
    hold = HOLD_SECONDS * (1 + jitter)
    assert job.wait(hold - 0.01) == ()
    assert job.wait(0.02) == (DeclineOffers(offer_ids=("O0",), refuse_seconds=0.5 + jitter),)


def test_refusals_grow_up_to_a_bound() -> None:
    """A gang that does not fit asks less and less often."""
    job = Job(nodes=2).subscribed()
    for _ in range(8):
        job.send(offers(0))
        job.wait(HOLD_SECONDS * 2)
    refusals = [decline.refuse_seconds for decline in job.given(DeclineOffers)]
    assert refusals == [1.0, 2.0, 4.0, 8.0, 16.0] + [LONGEST_REFUSAL_SECONDS] * 3


def test_a_gang_may_wait_for_days() -> None:
    """After thousands of rounds it still declines as after ten."""
    job = Job(nodes=2).subscribed()
    job.gang = replace(job.gang, rounds=5000)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 2)
    (decline,) = job.given(DeclineOffers)
    assert decline.refuse_seconds == LONGEST_REFUSAL_SECONDS


def test_a_dry_run_launches_nothing() -> None:
    """It ends with the placement, and gives everything back."""
    job = Job(nodes=2, procs=3, dry_run=True).subscribed()
    assert kinds(job.send(offers(0, 1, 2))) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(exit_status=0)
    assert [(agent.hostname, n) for agent, n in job.gang.placement] == [("host0", 2), ("host1", 1)]


# --- no room ---------------------------------------------------------------------------


def test_an_infeasible_job_ends_before_any_offer() -> None:
    """What no agent could ever hold is not waited for."""
    job = Job(nodes=2, procs=10).subscribed()
    assert job.send(capacity(0, 1)) == (TearDown(),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="no 2 agents with 5 cpus each: the largest 2 have 4, 4",
        remedy="-c 0.8 would fit",
    )


@pytest.mark.parametrize(
    ("spec", "limit", "when"),
    [
        ({"wait": 0.0}, SETTLE_SECONDS, "now"),
        ({"wait": 30.0}, 30.0, "within 30 s"),
        ({"dry_run": True}, SETTLE_SECONDS, "now"),
    ],
)
def test_resources_are_waited_for_as_long_as_asked(
    spec: dict[str, Any], limit: float, when: str
) -> None:
    """--wait 0 still waits for one round of offers; what was held is declined in the end."""
    job = Job(nodes=3, **spec).subscribed()
    job.wait(limit - 1.0)
    job.send(offers(0))
    job.wait(0.9)
    assert job.gang.state is State.COLLECTING
    assert kinds(job.wait(0.2)) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message=f"only 1 of 3 nodes with room were offered {when}",
        remedy="give it time with --wait, or ask for less",
    )


def test_without_a_limit_resources_are_waited_for() -> None:
    """For ever, if nobody says otherwise."""
    job = Job(nodes=3).subscribed()
    assert job.wait(10**6) == ()
    assert job.gang.state is State.COLLECTING


# --- the rendezvous --------------------------------------------------------------------


def test_mpi_starts_when_every_proxy_waits() -> None:
    """With the addresses from which they called, in the order of the slots."""
    job = Job(nodes=2, procs=3).launched()
    first, second = job.gang.current_tasks
    assert job.send(connected(second)) == ()
    assert job.send(connected(first)) == (
        StartMpi(
            hosts=(
                MpiHost(task_id="j.0.0", address="ip-S0", ranks=2),
                MpiHost(task_id="j.1.0", address="ip-S1", ranks=1),
            )
        ),
    )
    assert job.gang.state is State.CONNECTING


def test_a_proxy_that_hangs_up_is_waited_for_again() -> None:
    """MPI does not start over a connection that is gone."""
    job = Job(nodes=2).launched()
    first, second = job.gang.current_tasks
    job.send(connected(first), ProxyLost(task_id=first.task_id))
    assert job.send(connected(second)) == ()
    assert kinds(job.send(connected(first))) == [StartMpi]


# --- a host that fails before MPI ------------------------------------------------------


def test_a_failed_host_is_replaced() -> None:
    """On another agent, under another id, while the others go on waiting."""
    job = Job(nodes=2).launched()
    job.send(connected(job.gang.current_tasks[0]))
    assert job.send(ended("j.1.0", message="exit 1")) == (ReviveOffers(),)
    assert job.gang.state is State.COLLECTING
    (decline,) = job.send(offers(0, 1))
    assert isinstance(decline, DeclineOffers)
    assert decline.offer_ids == ("O0", "O1")  # one has a task, the other has failed
    launch, suppress = job.send(offers(2))
    assert isinstance(launch, LaunchTask)
    assert (launch.task_id, launch.hostname, launch.ranks) == ("j.1.1", "host2", 1)
    assert suppress == SuppressOffers()
    (start,) = job.send(connected(job.gang.current_tasks[1]))
    assert isinstance(start, StartMpi)
    assert [host.task_id for host in start.hosts] == ["j.0.0", "j.1.1"]


def test_a_proxy_that_complains_is_killed_and_replaced() -> None:
    """Its task is alive, and of no use."""
    job = Job(nodes=2).launched()
    commands = job.send(ProxyComplained(task_id="j.1.0", reason="no hydra_pmi_proxy"))
    assert commands == (KillTask(task_id="j.1.0", agent_id="S1"), ReviveOffers())


def test_the_end_of_a_replaced_task_means_nothing() -> None:
    """It may come late, when MPI runs on others already."""
    job = Job(nodes=1).launched()
    job.send(ProxyComplained(task_id="j.0.0", reason="no"), offers(1))
    job.send(connected(job.gang.current_tasks[0]), ProxiesAttached(count=1))
    job.send(ended("j.0.0", TaskState.KILLED))
    job.wait(60)
    assert job.gang.state is State.RUNNING


def test_a_replaced_task_is_still_waited_for() -> None:
    """Done means that nothing is left, of what failed as well."""
    job = Job(nodes=1).launched()
    job.send(ProxyComplained(task_id="j.0.0", reason="no"), offers(1))
    job.send(connected(job.gang.current_tasks[0]), MpiExited(exit_status=0))
    job.send(ended("j.0.1", TaskState.FINISHED))
    assert job.gang.state is State.DRAINING
    job.send(ended("j.0.0", TaskState.KILLED))
    assert job.gang.state is State.DONE


def test_retries_are_used_up() -> None:
    """Then the job ends with the last failure."""
    job = Job(nodes=1, retries=1).launched()
    job.send(ended("j.0.0", message="Command exited with status 1"), offers(1))
    commands = job.send(ended("j.0.1", message="Command exited with status 2"))
    assert commands == (TearDown(),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: Command exited with status 2 (after 1 replaced)"
    )


def test_a_host_without_a_replacement_ends_the_job() -> None:
    """If the cluster has no other agent, waiting for one makes no sense."""
    job = Job(nodes=2).subscribed()
    job.send(capacity(0, 1), offers(0, 1))
    commands = job.send(ended("j.1.0", message="exit 1"))
    assert commands == (KillTask(task_id="j.0.0", agent_id="S0"),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: exit 1; no other agent could take its place"
    )


def test_an_invalid_offer_is_not_the_hosts_fault() -> None:
    """A rescission may cross the launch on its way; the same host may be used again."""
    job = Job(nodes=1, retries=0).launched()
    lost = ended("j.0.0", TaskState.LOST, reason="REASON_INVALID_OFFERS", source="SOURCE_MASTER")
    assert job.send(lost) == (ReviveOffers(),)
    (launch, _) = job.send(OffersReceived(offers=(offer(0, "again"),)))
    assert isinstance(launch, LaunchTask)
    assert (launch.task_id, launch.agent_id) == ("j.0.1", "S0")


# --- the start timeout -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (TaskState.STARTING, "its task is TASK_STARTING"),
        (TaskState.RUNNING, "its task runs: can the host reach this one (--advertise)?"),
    ],
)
def test_a_task_that_does_not_call_back_is_replaced(state: TaskState, why: str) -> None:
    """And if it cannot be, the message says how far it came."""
    job = Job(nodes=2, retries=1, start_timeout=10.0).launched()
    job.send(connected(job.gang.current_tasks[0]))
    job.send(TaskUpdated(task_id="j.1.0", state=state))
    commands = job.wait(10)
    assert commands == (KillTask(task_id="j.1.0", agent_id="S1"), ReviveOffers())
    job.send(offers(2), TaskUpdated(task_id="j.1.1", state=state))
    job.wait(10)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message=f"host2: did not call back within 10 s (--start-timeout); {why} (after 1 replaced)",
    )


def test_a_replacement_is_not_waited_for_for_ever() -> None:
    """The hosts that wait are not to be blocked by one that is missing."""
    job = Job(nodes=2, start_timeout=10.0).launched()
    job.send(ended("j.1.0"))
    job.wait(10)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="no agent to replace 1 failed hosts within 10 s (--start-timeout)",
    )


def test_proxies_that_cannot_reach_mpiexec_end_the_job() -> None:
    """The launch lines were answered, and too few connections came back."""
    job = Job(nodes=3, start_timeout=10.0).connecting()
    job.send(ProxiesAttached(count=1))
    commands = job.wait(10)
    assert kinds(commands) == [KillTask] * 3 + [EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="only 1 of 3 proxies reached mpiexec within 10 s (--start-timeout)",
        remedy="a firewall between the hosts and this one is the usual cause",
    )


def test_a_running_job_has_no_start_timeout() -> None:
    """Once all proxies are connected it may take its time."""
    job = Job(nodes=2, start_timeout=10.0).running()
    assert job.gang.next_deadline is None
    assert job.wait(10**6) == ()
    assert job.gang.state is State.RUNNING


# --- the end ---------------------------------------------------------------------------


def test_the_programs_exit_status_passes_through() -> None:
    """Tasks end by themselves then, and nothing is killed."""
    job = Job(nodes=2).running()
    assert job.send(MpiExited(exit_status=7)) == ()
    assert job.gang.state is State.DRAINING
    job.send(ended("j.0.0", TaskState.FINISHED), ended("j.1.0", TaskState.FAILED))
    assert job.gang.state is State.DONE
    assert job.gang.outcome == Outcome(exit_status=7)
    assert not job.gang.is_forced
    assert job.commands[-1] == TearDown()


def test_a_program_may_end_before_all_proxies_are_seen() -> None:
    """`hostname` is faster than the count of connections."""
    job = Job(nodes=2).connecting()
    job.send(MpiExited(exit_status=0))
    job.send(ended("j.0.0", TaskState.FINISHED), ended("j.1.0", TaskState.FINISHED))
    assert job.gang.outcome == Outcome(exit_status=0)


def test_tasks_that_do_not_end_by_themselves_are_killed() -> None:
    """A moment after mpiexec; and if that does not help, left to the tear-down."""
    job = Job(nodes=1).draining()
    assert job.wait(NATURAL_END_SECONDS - 0.1) == ()
    assert job.wait(0.1) == (KillTask(task_id="j.0.0", agent_id="S0"),)
    assert job.wait(DRAIN_SECONDS - NATURAL_END_SECONDS) == (TearDown(),)
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, True)


def test_the_time_limit_counts_from_the_start_of_mpi() -> None:
    """Waiting for resources is not the program's time."""
    job = Job(nodes=1, time_limit=5.0).subscribed()
    job.wait(100)
    job.connecting().send(ProxiesAttached(count=1))
    assert job.wait(4.9) == ()
    assert kinds(job.wait(0.2)) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=ExitStatus.TIME_LIMIT, message="ran longer than 5 s (--time-limit)"
    )


def test_mpiexec_has_a_moment_to_explain_a_dead_proxy() -> None:
    """If it ends in time, its exit status and message stand."""
    job = Job(nodes=2).running()
    assert job.send(ended("j.1.0", message="Command exited with status 9")) == ()
    assert job.wait(VERDICT_SECONDS * 0.9) == ()
    job.send(MpiExited(exit_status=9))
    assert job.gang.outcome == Outcome(exit_status=9)


def test_a_task_whose_end_is_understood_explains_mpiexecs_number() -> None:
    """Out of memory says more than signal 9, whichever of both comes first."""
    known = TaskUpdated(
        task_id="j.1.0",
        state=TaskState.FAILED,
        message="ran out of memory",
        source="SOURCE_EXECUTOR",
        remedy="give it more",
    )
    expected = Outcome(exit_status=9, message="host1: ran out of memory", remedy="give it more")
    before, after = Job(nodes=2).running(), Job(nodes=2).running()
    before.send(ended("j.0.0", message="Container exited with status 7"))
    before.send(known)
    before.send(MpiExited(exit_status=9, message="a rank was ended by signal 9"))
    after.send(MpiExited(exit_status=9, message="a rank was ended by signal 9"))
    after.send(known)
    assert before.gang.outcome == expected
    assert after.gang.outcome == expected


def test_a_host_that_is_not_replaced_takes_its_remedy_along() -> None:
    """What to do about it is worth as much when nothing was running yet."""
    job = Job(nodes=1, retries=0).launched()
    job.send(
        TaskUpdated(task_id="j.0.0", state=TaskState.FAILED, message="no image", remedy="pull it")
    )
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host0: no image", remedy="pull it"
    )


def test_a_mpiexec_that_does_not_notice_a_dead_proxy_is_ended() -> None:
    """It may hang for ever otherwise."""
    job = Job(nodes=2).running()
    job.send(ended("j.1.0", message="Command terminated with signal Killed"))
    assert kinds(job.wait(VERDICT_SECONDS)) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="host1: Command terminated with signal Killed, and mpiexec did not notice",
    )


def test_mpiexec_alone_is_not_waited_for() -> None:
    """All tasks ended well, and it goes on."""
    job = Job(nodes=1).running()
    job.send(ended("j.0.0", TaskState.FINISHED))
    job.wait(VERDICT_SECONDS)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="all tasks have ended, and mpiexec did not notice"
    )


def test_a_lost_agent_ends_the_job_at_once() -> None:
    """With the agent's name and the master's reason."""
    job = Job(nodes=2).running()
    assert kinds(job.send(AgentLost(agent_id="S1"))) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: the master has removed the agent"
    )


def test_a_lost_agent_explains_what_mpiexec_could_only_number() -> None:
    """mpiexec is faster than the master, and knows less."""
    job = Job(nodes=2).running()
    job.send(MpiExited(exit_status=255))
    job.send(
        ended(
            "j.1.0",
            TaskState.LOST,
            message="Agent host1 disconnected",
            reason="REASON_AGENT_DISCONNECTED",
            source="SOURCE_MASTER",
        )
    )
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: Agent host1 disconnected (agent disconnected)"
    )


def test_a_failed_rank_is_no_success_though_mpiexec_says_so() -> None:
    """Whichever of both is told first; the other ranks may go on as long as they like."""
    failed = ended("j.0.0", TaskState.FINISHED, failed_rank="a rank ended badly")
    expected = Outcome(exit_status=UNKNOWN_STATUS, message="host0: a rank ended badly")
    before, after = Job(nodes=2).running(), Job(nodes=2).running()
    before.send(failed)
    assert before.wait(VERDICT_SECONDS * 10) == ()
    before.send(MpiExited(exit_status=0))
    after.send(MpiExited(exit_status=0))
    after.send(failed)
    assert before.gang.outcome == expected
    assert after.gang.outcome == expected


def test_mpiexec_knows_best_how_a_rank_failed() -> None:
    """Its status stands, with what the task says before and after it."""
    failed = ended("j.0.0", TaskState.FINISHED, failed_rank="a rank ended badly")
    for events in ([failed, MpiExited(exit_status=3)], [MpiExited(exit_status=3), failed]):
        job = Job(nodes=2).running()
        job.send(*events)
        assert job.gang.outcome == Outcome(exit_status=3)


def test_a_success_needs_no_explanation() -> None:
    """An agent that is lost after a good end does not spoil it."""
    job = Job(nodes=1).draining()
    job.send(AgentLost(agent_id="S0"))
    assert job.gang.outcome == Outcome(exit_status=0)


# --- signals ---------------------------------------------------------------------------


def interrupt() -> Cancelled:
    """Ctrl-C."""
    return Cancelled(exit_status=ExitStatus.INTERRUPTED, message="interrupted")


def test_ctrl_c_while_collecting_ends_at_once() -> None:
    """Nothing was launched; what is held goes back."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0))
    assert kinds(job.send(interrupt())) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(exit_status=130, message="interrupted")


def test_ctrl_c_ends_ranks_and_tasks_and_waits_for_them() -> None:
    """Done is said when all is seen to have ended."""
    job = Job(nodes=1).running()
    assert kinds(job.send(interrupt())) == [KillTask, EndMpi]
    job.send(ended("j.0.0", TaskState.KILLED))
    assert job.gang.state is State.DRAINING
    assert job.send(MpiExited(exit_status=143)) == (TearDown(),)
    assert job.gang.outcome == Outcome(exit_status=130, message="interrupted")
    assert not job.gang.is_forced


def test_a_second_ctrl_c_does_not_wait() -> None:
    """mpiexec is killed without grace, and the master ends the tasks."""
    job = Job(nodes=1).running()
    job.send(interrupt())
    assert job.send(interrupt()) == (EndMpi(grace=0.0), TearDown())
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, True)


def test_nothing_happens_to_a_gang_that_is_done() -> None:
    """Late events are no news."""
    job = Job(nodes=1).subscribed()
    job.send(interrupt())
    assert job.send(offers(0), interrupt(), MasterLost(message="gone"), TimePassed()) == ()


# --- the master ------------------------------------------------------------------------


def test_a_master_lost_before_the_launch_is_waited_for() -> None:
    """Its offers are gone with it; new ones come with the next subscription."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0), MasterLost(message="connection reset"))
    assert (job.gang.held, job.gang.is_connected) == ({}, False)
    job.wait(RECONNECT_SECONDS / 2)
    job.send(Subscribed(framework_id="f", master="m2:5050", again=True))
    job.wait(RECONNECT_SECONDS)
    assert job.gang.state is State.COLLECTING


@pytest.mark.parametrize("retry", [1.0, 20.0])
def test_a_master_that_stays_away_is_not_waited_for(retry: float) -> None:
    """However often the driver tries in vain."""
    job = Job(nodes=2).subscribed()
    for _ in range(round(RECONNECT_SECONDS / retry) + 1):
        job.send(MasterLost(message="connection refused"))
        job.wait(retry)
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="no master for 60 s")


def test_a_master_lost_after_the_launch_ends_the_job() -> None:
    """It has ended the tasks already, as the framework's failover timeout is 0."""
    job = Job(nodes=1).running()
    assert kinds(job.send(MasterLost(message="no heartbeat"))) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="lost the master: no heartbeat")


def test_back_at_the_master_it_is_asked_what_became_of_the_tasks() -> None:
    """And told again to end them."""
    job = Job(nodes=1).running()
    job.send(MasterLost(message="no heartbeat"))
    assert job.send(Subscribed(framework_id="f", master="m:5050", again=True)) == (
        ReconcileTasks(tasks=(("j.0.0", "S0"),)),
        KillTask(task_id="j.0.0", agent_id="S0"),
    )


def test_a_master_that_will_not_have_us_ends_the_job() -> None:
    """No task is left with it, so none is waited for; mpiexec is."""
    job = Job(nodes=1).running()
    commands = job.send(MasterErred(message="Framework has been removed"))
    assert kinds(commands) == [EndMpi]
    job.send(MpiExited(exit_status=143))
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, False)
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="Framework has been removed")


# --- the table -------------------------------------------------------------------------


def test_an_unlisted_transition_tells_the_jobs_history() -> None:
    """A fault of ours is to be found from its message."""
    turn = Turn(Job(nodes=1).running().gang, 1.0)
    with pytest.raises(UnlistedTransitionError) as raised:
        turn.enter(State.LAUNCHING)
    assert str(raised.value) == (
        "j: RUNNING -> LAUNCHING, after COLLECTING at 0.000, LAUNCHING at 0.000, "
        "CONNECTING at 0.000, RUNNING at 0.000"
    )


def test_every_state_has_a_way_to_the_end() -> None:
    """The table has no trap."""
    reaching = {State.DONE}
    for _ in State:
        reaching |= {state for state, after in TRANSITIONS.items() if after & reaching}
    assert reaching == set(State)


def test_only_the_end_has_no_deadline_while_something_is_ended() -> None:
    """Draining is always bounded."""
    assert Deadline.DRAIN in Job(nodes=1).draining().gang.deadlines
