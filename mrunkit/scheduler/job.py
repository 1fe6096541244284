"""What a user asks for: a gang of ranks, and the program they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .resources import Demand

BAD_EXIT_SECONDS = 3
"""What the other ranks have to end by themselves after one has failed: often all fail at once."""


class Policy(Enum):
    """In which order agents are considered for a gang."""

    FIRST_FIT = "first-fit"
    """As the master offers them."""
    BEST_FIT = "best-fit"
    """Those with the least room first: keeps large agents free for large jobs."""
    WORST_FIT = "worst-fit"
    """Those with the most room first: leaves the same room everywhere."""


class Distribution(Enum):
    """Which ranks share a node."""

    CYCLIC = "cyclic"
    """In turn: rank 0 on the first node, rank 1 on the second, and around again."""
    BLOCK = "block"
    """Neighbouring ranks together: the first node is filled, then the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """An agent must have this attribute with this value."""

    attribute: str
    value: str

    def __str__(self) -> str:
        return f"{self.attribute}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything the scheduler needs to know of a job; times are in seconds.

    `nodes` different agents get `procs` ranks as evenly as `procs` allows.
    """

    job_id: str
    nodes: int
    procs: int
    rank: Demand
    """What one rank needs."""
    policy: Policy = Policy.FIRST_FIT
    hosts: frozenset[str] = frozenset()
    """Host names or addresses to choose from; empty: all."""
    exclude: frozenset[str] = frozenset()
    """Host names or addresses not to be used."""
    constraints: tuple[Constraint, ...] = ()
    wait: float | None = None
    """How long to wait for resources; None: for ever; 0: they must be free now."""
    start_timeout: float = 120.0
    """From launching the tasks until MPI is up."""
    time_limit: float | None = None
    """From the start of MPI; None: no limit."""
    kill_on_bad_exit: bool = True
    """Whether a rank that fails before MPI_Finalize ends the others, after BAD_EXIT_SECONDS."""
    retries: int = 2
    """How many hosts that fail before MPI starts may be replaced."""
    dry_run: bool = False
    """Only find the placement; launch nothing."""

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= self.procs:
            raise ValueError(f"{self.procs} ranks cannot fill {self.nodes} nodes")

    @property
    def slot_sizes(self) -> tuple[int, ...]:
        """Ranks per node, the larger first: 10 ranks on 4 nodes are (3, 3, 2, 2)."""
        least, more = divmod(self.procs, self.nodes)
        return (least + 1,) * more + (least,) * (self.nodes - more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The MPI program as mpiexec gets it; the scheduler never looks inside."""

    words: tuple[str, ...]
    """Path and arguments."""
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MpiOptions:
    """How a job's ranks are run, apart from where; the scheduler never looks inside."""

    program: Program
    distribution: Distribution = Distribution.CYCLIC
    is_labelled: bool = False
    output_dir: str | None = None
    """Where to write one file per rank and stream."""
    kill_on_bad_exit: bool = True
    """As in JobSpec, for ranks that share a node with the one that fails."""
    mpiexec: str | None = None
    """None: the one beside this Python, or in PATH."""
    advertise: str | None = None
    """This host's address as agents reach it; None: from the route to the master."""
