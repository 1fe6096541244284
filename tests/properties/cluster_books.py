"""What the model of a cluster knows of a gang, from the events it sent and the commands it got."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrunkit.scheduler.commands import (
    Command,
    DeclineOffers,
    EndMpi,
    KillTask,
    LaunchTask,
    ReconcileTasks,
    ReviveOffers,
    StartMpi,
    SuppressOffers,
    TearDown,
)
from mrunkit.scheduler.ending import DRAIN_SECONDS
from mrunkit.scheduler.gang import Deadline, Gang, State
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.offers import Offer, Share, total
from mrunkit.scheduler.resources import NOTHING, Resources


@dataclass
class ModelAgent:
    """An agent, with what of it is neither offered nor used, by role."""

    agent_id: str
    hostname: str
    whole: Resources
    free: dict[str, Resources]

    def give_back(self, shares: tuple[Share, ...]) -> None:
        """Make shares free again."""
        for share in shares:
            self.free[share.role] = self.free[share.role] + share.resources


@dataclass
class ModelTask:
    """A launched task, as its agent and the rendezvous know it."""

    launch: LaunchTask
    is_alive: bool = True
    is_waiting: bool = False
    is_killed: bool = False


@dataclass
class ModelOffer:
    """An offer that the framework has, and until when it may keep it."""

    offer: Offer
    until: float


@dataclass
class Books:
    """All of that; each command and each gang is held against it."""

    agents: dict[str, ModelAgent] = field(default_factory=dict)
    offers: dict[str, ModelOffer] = field(default_factory=dict)
    tasks: dict[str, ModelTask] = field(default_factory=dict)
    is_mpi_started: bool = False
    is_mpi_running: bool = False
    is_suppressed: bool = False
    is_subscribed: bool = False
    has_erred: bool = False
    is_torn_down: bool = False
    has_failed_rank: bool = False
    """A task of the gang told of one, after mpiexec was started."""
    is_hurried: bool = False
    """Cancelled, while everything was being ended already."""

    def carry_out(self, command: Command, spec: JobSpec) -> None:
        """Do what a command says, if it may be said now."""
        assert not self.is_torn_down, f"{command} after the framework was torn down"
        match command:
            case LaunchTask():
                self._launch(command, spec)
            case DeclineOffers(offer_ids=offer_ids, refuse_seconds=seconds):
                assert seconds > 0
                assert set(offer_ids) <= set(self.offers), "an offer is not ours any more"
                for offer_id in offer_ids:
                    offer = self.offers.pop(offer_id).offer
                    self.agents[offer.agent_id].give_back(offer.shares)
            case KillTask(task_id=task_id, agent_id=agent_id):
                assert self.tasks[task_id].launch.agent_id == agent_id
                self.tasks[task_id].is_killed = True
            case ReconcileTasks(tasks=pairs):
                assert all(self.tasks[key].launch.agent_id == agent for key, agent in pairs)
            case StartMpi():
                self._start_mpi(command, spec)
            case EndMpi():
                assert self.is_mpi_running
            case SuppressOffers():
                self.is_suppressed = True
            case ReviveOffers():
                self.is_suppressed = False
            case TearDown():
                self.is_torn_down = True
            case _:
                raise AssertionError(f"an unknown command: {command}")

    def _launch(self, launch: LaunchTask, spec: JobSpec) -> None:
        assert launch.task_id not in self.tasks, "a task id was used twice"
        assert set(launch.offer_ids) <= set(self.offers), "an offer is not ours any more"
        used = [self.offers.pop(offer_id).offer for offer_id in launch.offer_ids]
        assert {offer.agent_id for offer in used} == {launch.agent_id}
        agent = self.agents[launch.agent_id]
        for offer in used:
            agent.give_back(offer.shares)
        left = {
            role: total([NOTHING, *(s.resources for o in used for s in o.shares if s.role == role)])
            for role in agent.free
        }
        for share in launch.shares:
            assert left[share.role].contains(share.resources), "more was taken than offered"
            left[share.role] -= share.resources
            agent.free[share.role] -= share.resources
        taken = total([NOTHING, *(share.resources for share in launch.shares)])
        wanted = spec.rank * launch.ranks
        assert (taken.cpus, taken.mem, taken.port_count) == (wanted.cpus, wanted.mem, wanted.ports)
        self.tasks[launch.task_id] = ModelTask(launch)

    def _start_mpi(self, command: StartMpi, spec: JobSpec) -> None:
        tasks = [self.tasks[host.task_id] for host in command.hosts]
        assert not self.is_mpi_started
        assert all(task.is_alive and task.is_waiting for task in tasks)
        assert [host.ranks for host in command.hosts] == [task.launch.ranks for task in tasks]
        assert sum(host.ranks for host in command.hosts) == spec.procs
        assert [host.address for host in command.hosts] == [
            f"addr-{host.task_id}" for host in command.hosts
        ]
        assert len({task.launch.agent_id for task in tasks}) == spec.nodes
        self.is_mpi_started = self.is_mpi_running = True

    def check_slots(self, gang: Gang) -> None:
        """Its tasks are whole, on different agents, and no other runs unasked."""
        current = gang.current_tasks
        assert all(task.task_id in self.tasks for task in current), "never launched"
        agents = {self.tasks[task.task_id].launch.agent_id for task in current}
        assert len(agents) == len(current), "two tasks of the gang share an agent"
        if gang.state in (State.LAUNCHING, State.CONNECTING, State.RUNNING):
            assert len(current) == gang.spec.nodes
            assert sum(task.ranks for task in current) == gang.spec.procs
        in_slots = {task.task_id for task in current}
        for task_id, task in self.tasks.items():
            if task_id not in in_slots and task.is_alive:
                assert task.is_killed, "a replaced task was left running"

    def check_offers(self, gang: Gang) -> None:
        """It holds the offers that it has, and none for too long."""
        assert set(gang.held) == set(self.offers)
        for held in self.offers.values():
            assert gang.next_deadline is not None
            assert gang.next_deadline <= held.until, "an offer is held too long"
        if gang.state is not State.COLLECTING:
            assert not self.offers, "an offer was neither used nor declined"

    def check_end(self, gang: Gang, now: float) -> None:
        """It is done when nothing of it is left, and not before."""
        alive = [task for task in self.tasks.values() if task.is_alive]
        if gang.state is State.DRAINING and Deadline.KILL not in gang.deadlines:
            assert all(task.is_killed for task in alive), "a task was left running"
        if gang.state is not State.DONE:
            assert not self.is_torn_down
            return
        assert gang.outcome is not None
        is_good = gang.outcome.exit_status == 0
        assert not (is_good and self.has_failed_rank), "a failed rank was forgotten"
        is_blamed = gang.failed_rank is not None
        assert is_blamed <= self.has_failed_rank, "blamed for what had no ranks"
        assert self.is_torn_down or self.has_erred
        if gang.is_forced:
            drained_since = next(at for at, state in gang.history if state is State.DRAINING)
            is_late = now >= drained_since + DRAIN_SECONDS
            assert self.is_hurried or is_late, "left too early"
        else:
            assert not alive, "done, and a task still runs"
            assert not self.is_mpi_running, "done, and mpiexec still runs"
