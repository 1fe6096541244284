"""The state of a gang, and which state may follow which.

A gang is one job's tasks, one per node, that live and die together. The values are
immutable; only `transitions.step` makes new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .events import TaskState
from .job import JobSpec
from .offers import Agent, Candidate, Offer


class State(Enum):
    """Where a gang is on its way."""

    COLLECTING = "collecting"
    """Offers are held until all open slots can be filled at once."""
    LAUNCHING = "launching"
    """Every slot has a task; they call the rendezvous one by one."""
    CONNECTING = "connecting"
    """mpiexec runs; the tasks have their launch lines and connect to it."""
    RUNNING = "running"
    """All proxies are connected to mpiexec: the ranks run."""
    DRAINING = "draining"
    """The outcome is known; tasks and mpiexec are being ended."""
    DONE = "done"
    """Nothing of the job is left."""


TRANSITIONS: Mapping[State, frozenset[State]] = {
    # To DONE without draining: nothing was launched.
    State.COLLECTING: frozenset({State.LAUNCHING, State.DRAINING, State.DONE}),
    # Back to COLLECTING: a host failed and is replaced.
    State.LAUNCHING: frozenset({State.CONNECTING, State.COLLECTING, State.DRAINING}),
    State.CONNECTING: frozenset({State.RUNNING, State.DRAINING}),
    State.RUNNING: frozenset({State.DRAINING}),
    State.DRAINING: frozenset({State.DONE}),
    State.DONE: frozenset(),
}


class Mpi(Enum):
    """Where mpiexec is."""

    NOT_STARTED = "not started"
    STARTED = "started"
    ENDED = "ended"


class Deadline(Enum):
    """What may not take for ever."""

    MASTER = "master"
    """Being connected to a master, when it was not there or has gone."""
    RESOURCES = "resources"
    """Finding room for the gang (--wait)."""
    RETRY = "retry"
    """Having everything offered again, after some offers were held in vain."""
    START = "start"
    """From launching tasks to all proxies connected (--start-timeout)."""
    TIME_LIMIT = "time limit"
    """MPI itself (--time-limit)."""
    VERDICT = "verdict"
    """mpiexec's own end, after a task has ended under it."""
    BAD_EXIT = "bad exit"
    """The other ranks' own end, after one has failed (--kill-on-bad-exit)."""
    KILL = "kill"
    """The tasks' own end, after mpiexec has ended."""
    DRAIN = "drain"
    """Seeing everything end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended, and with what exit status."""

    exit_status: int
    message: str = ""
    """Why, in one line; empty when the program's own exit status says it all."""
    remedy: str | None = None


UNKNOWN_STATUS = 1
"""Of a job with a failed rank, where nobody knows the rank's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRank:
    """A rank that failed before MPI_Finalize, as its task told at its own end."""

    hostname: str
    status: int
    """0 if the task could not tell."""

    @property
    def outcome(self) -> Outcome:
        """What becomes of the job, if nobody knows better."""
        how = f"with status {self.status}, without MPI_Finalize" if self.status else "badly"
        return Outcome(
            exit_status=self.status or UNKNOWN_STATUS,
            message=f"{self.hostname}: a rank ended {how}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One launched task of the gang; a slot may go through several."""

    task_id: str
    slot: int
    ranks: int
    agent_id: str
    hostname: str
    state: TaskState = TaskState.STAGING
    proxy_address: str | None = None
    """Set while the task waits in the rendezvous, and from then on."""

    @property
    def is_alive(self) -> bool:
        """Whether it may still run."""
        return not self.state.is_terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOffer:
    """An offer that waits for the rest of the gang, and until when it may."""

    offer: Offer
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """Everything the scheduler knows of one job. Times are seconds of the caller's clock."""

    spec: JobSpec
    state: State = State.COLLECTING
    deadlines: Mapping[Deadline, float] = field(default_factory=dict)
    framework_id: str | None = None
    master: str = ""
    is_connected: bool = False
    capacity: tuple[Agent, ...] | None = None
    """What the cluster's agents have in all, once the master has said it."""
    held: Mapping[str, HeldOffer] = field(default_factory=dict)
    passed_over: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)
    """By agent, what went back since a round of offers was held in vain, until the next."""
    rounds: int = 0
    """How often offers were held to their deadline in vain."""
    early_asks: int = 0
    """How often all were asked for again before the back-off was over."""
    jitter: float = 0.5
    """The random number that came with the last offers."""
    slots: tuple[str | None, ...]
    """The task of each slot; None while it has none."""
    slots_offered: int = 0
    """How many of the slots have a task or could be filled from held offers."""
    placement: tuple[tuple[Candidate, int], ...] = ()
    """Agents with their ranks, in the order of the slots, once found."""
    tasks: Mapping[str, Task] = field(default_factory=dict)
    failed_agents: frozenset[str] = frozenset()
    failures: tuple[str, ...] = ()
    """Which hosts were replaced, each with the reason."""
    retries_left: int
    mpi: Mpi = Mpi.NOT_STARTED
    attached: int = 0
    """How many proxies are connected to mpiexec."""
    ended_first: Outcome | None = None
    """How the task ended that ended first under a running mpiexec, and not well."""
    failed_rank: FailedRank | None = None
    """The first that was told of with its status, or else the first."""
    outcome: Outcome | None = None
    is_forced: bool = False
    """Left without having seen everything end."""
    history: tuple[tuple[float, State], ...] = ()
    """When which state was entered."""

    @property
    def open_slots(self) -> tuple[int, ...]:
        """The slots without a task."""
        return tuple(slot for slot, task_id in enumerate(self.slots) if task_id is None)

    @property
    def current_tasks(self) -> tuple[Task, ...]:
        """The tasks that fill slots now, in the order of the slots."""
        return tuple(self.tasks[task_id] for task_id in self.slots if task_id is not None)

    @property
    def alive_tasks(self) -> tuple[Task, ...]:
        """All launched tasks that may still run, replaced ones included."""
        return tuple(task for task in self.tasks.values() if task.is_alive)

    @property
    def is_complete(self) -> bool:
        """Whether every slot's task waits in the rendezvous."""
        current = self.current_tasks
        return len(current) == len(self.slots) and all(task.proxy_address for task in current)

    @property
    def next_deadline(self) -> float | None:
        """When `TimePassed` is due; None if nothing waits for time."""
        times = [*self.deadlines.values(), *(held.until for held in self.held.values())]
        return min(times, default=None)


class UnlistedTransitionError(AssertionError):
    """The state machine was asked for a transition that its table does not list."""

    def __init__(self, gang: Gang, target: State) -> None:
        way = ", ".join(f"{state.name} at {time:.3f}" for time, state in gang.history)
        super().__init__(f"{gang.spec.job_id}: {gang.state.name} -> {target.name}, after {way}")


RECONNECT_SECONDS = 60.0
"""How long a master may be away while nothing runs: a ZooKeeper failover takes less."""


def new_gang(spec: JobSpec, now: float) -> Gang:
    """A gang that waits for its subscription."""
    return Gang(
        spec=spec,
        slots=(None,) * spec.nodes,
        retries_left=spec.retries,
        deadlines={Deadline.MASTER: now + RECONNECT_SECONDS},
        history=((now, State.COLLECTING),),
    )
