"""Why a gang cannot be placed on a cluster, and the nearest request that could be.

Looks at what agents have in all, not at what is free: what is infeasible here will not
become feasible by waiting.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .job import JobSpec
from .offers import Candidate, is_eligible
from .placement import place
from .resources import Demand, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """What is in the way of a gang, and what would fit instead."""

    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dimension:
    """One kind of resource: its fields in Resources and Demand, its name and option."""

    field: str
    had: Callable[[Resources], float]
    name: str
    option: str
    step: float
    """The granularity of a suggestion."""

    def asked(self, demand: Demand) -> float:
        """How much of it a demand holds."""
        amount: float = getattr(demand, self.field)
        return amount


_DIMENSIONS = (
    _Dimension(field="cpus", had=lambda r: r.cpus, name="cpus", option="-c", step=0.1),
    _Dimension(field="mem", had=lambda r: r.mem, name="MB of memory", option="-m", step=1),
    _Dimension(field="gpus", had=lambda r: r.gpus, name="gpus", option="--gpus", step=1),
    _Dimension(field="ports", had=lambda r: r.port_count, name="ports", option="--ports", step=1),
)


def find_obstacle(
    spec: JobSpec, agents: Sequence[Candidate], kept_for_gpus: Sequence[Candidate] = ()
) -> Infeasible | None:
    """Say why these agents, all free, could not hold the job; None if they could.

    `kept_for_gpus` are further ones, which the master offers only to jobs that want GPUs.
    """
    obstacle = _obstacle(spec, agents)
    kept = sum(is_eligible(agent, spec) for agent in kept_for_gpus)
    if obstacle is None or not kept:
        return obstacle
    why = f"its --filter_gpu_resources keeps {_agents(kept)} for jobs with --gpus"
    remedy = obstacle.remedy if agents else None
    return Infeasible(message=f"{obstacle.message}; {why}", remedy=remedy)


def _obstacle(spec: JobSpec, agents: Sequence[Candidate]) -> Infeasible | None:
    eligible = [agent for agent in agents if is_eligible(agent, spec)]
    if len(eligible) < spec.nodes:
        return _too_few(spec, agents, eligible)
    if _fits(spec, eligible):
        return None
    for dimension in _DIMENSIONS:
        obstacle = _too_small(spec, eligible, dimension)
        if obstacle is not None:
            return obstacle
    return Infeasible(
        message=f"no {_agents(spec.nodes)} with {_needs(spec)} at the same time",
        remedy=_fewer_ranks(spec, eligible),
    )


def _fits(spec: JobSpec, agents: Sequence[Candidate]) -> bool:
    return place(spec.slot_sizes, spec.rank, agents, spec.policy) is not None


def _too_few(
    spec: JobSpec, agents: Sequence[Candidate], eligible: Sequence[Candidate]
) -> Infeasible:
    """Fewer agents than nodes; which option keeps the others away decides the remedy."""
    have = len(eligible)
    limits = [f"--constraint {constraint}" for constraint in spec.constraints]
    limits += ["--hosts"] if spec.hosts else []
    limits += ["--exclude"] if spec.exclude else []
    of_all = f" of its {len(agents)} (by {', '.join(limits)})" if len(agents) != have else ""
    unknown = sorted(spec.hosts - {a.hostname for a in agents} - {a.address for a in agents})
    hint = f": no agent is called {', '.join(unknown)}" if unknown and agents else ""
    message = (
        f"-N {spec.nodes} needs {_agents(spec.nodes)}, and the cluster has {have}{of_all}{hint}"
    )
    if not have:
        names = sorted(agent.hostname for agent in agents)[:8]
        remedy = f"the agents are {', '.join(names)}" if names else "start an agent first"
        return Infeasible(message=message, remedy=remedy)
    fewer = replace(spec, nodes=have)
    would_fit = f"-N {have} would fit" if _fits(fewer, eligible) else _fewer_ranks(fewer, eligible)
    return Infeasible(message=message, remedy=would_fit)


def _too_small(
    spec: JobSpec, agents: Sequence[Candidate], dimension: _Dimension
) -> Infeasible | None:
    """The message for one kind of resource if that alone already rules the gang out."""
    asked = dimension.asked(spec.rank)
    largest = sorted((dimension.had(agent.available) for agent in agents), reverse=True)
    pairs = list(zip(largest, spec.slot_sizes, strict=False))
    if all(round(had - size * asked, 3) >= 0 for had, size in pairs):
        return None
    needed = f"{_each(spec, asked)} {dimension.name}"
    have = _listed([had for had, _ in pairs])
    if spec.nodes == 1:
        message = f"no agent with {needed}: the largest has {have}"
    else:
        each = " each" if spec.procs % spec.nodes == 0 else ""
        message = (
            f"no {_agents(spec.nodes)} with {needed}{each}: the largest {spec.nodes} have {have}"
        )
    steps = min(math.floor(round(had / size / dimension.step, 6)) for had, size in pairs)
    nearest = round(steps * dimension.step, 3)
    change: dict[str, Any] = {dimension.field: nearest}
    smaller = replace(spec, rank=replace(spec.rank, **change))
    if nearest > 0 and _fits(smaller, agents):
        return Infeasible(
            message=message, remedy=f"{dimension.option} {_number(nearest)} would fit"
        )
    return Infeasible(message=message, remedy=_fewer_ranks(spec, agents))


def _fewer_ranks(spec: JobSpec, agents: Sequence[Candidate]) -> str | None:
    """The largest number of ranks that fits on as many nodes, else on fewer."""
    with_room = sum(agent.available.ranks_that_fit(spec.rank) >= 1 for agent in agents)
    nodes = min(spec.nodes, with_room)
    if not nodes:
        return None
    fitting, too_many = nodes, spec.procs + 1
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        if _fits(replace(spec, nodes=nodes, procs=middle), agents):
            fitting = middle
        else:
            too_many = middle
    return f"-N {nodes} -n {fitting} would fit"


def _agents(count: int) -> str:
    return f"{count} agent{'' if count == 1 else 's'}"


def _each(spec: JobSpec, asked: float) -> str:
    """What the slots need: one number if all need the same."""
    return _listed([round(size * asked, 3) for size in spec.slot_sizes], merge_all=True)


def _needs(spec: JobSpec) -> str:
    return " and ".join(
        f"{_each(spec, dimension.asked(spec.rank))} {dimension.name}"
        for dimension in _DIMENSIONS
        if dimension.asked(spec.rank)
    )


def _listed(amounts: Sequence[float], *, merge_all: bool = False) -> str:
    """Amounts in a row; many, or all the same, are counted instead of repeated."""
    if merge_all and len(set(amounts)) == 1:
        return _number(amounts[0])
    if len(amounts) <= 8:
        return ", ".join(_number(amount) for amount in amounts)
    counted = Counter(amounts).most_common(6)
    shown = ", ".join(f"{_number(amount)} ({count} times)" for amount, count in counted)
    return shown + (", ..." if len(set(amounts)) > 6 else "")


def _number(amount: float) -> str:
    """An amount without needless zeros; a terabyte is 1048576 MB, not 1.04858e+06."""
    return f"{amount:.12g}"
