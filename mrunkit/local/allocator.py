"""Who is offered what: dominant resource fairness, and the filters of what was refused.

Owns the choice. Pure: the clock and all amounts are arguments.
Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011; Mesos' hierarchical allocator,
which sorts roles by their dominant share, then the frameworks within a role, and gives the
first whose filters do not refuse it all that is free on an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mrunkit.scheduler.resources import NOTHING, Resources

LEAST_CPUS = 0.01
LEAST_MEM = 32.0  # MB
SCALARS = ("cpus", "mem", "disk", "gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A framework in one of its roles, with what it holds there already, offers included."""

    framework_id: str
    role: str
    held: Resources = NOTHING
    takes_gpus: bool = True
    """Agents with gpus are kept from frameworks that do not ask for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A framework does not want this, or less, of this agent until then."""

    framework_id: str
    role: str
    agent_id: str
    resources: Resources
    until: float

    def covers(self, claimant: Claimant, agent_id: str, free: Resources, now: float) -> bool:
        """Whether an offer of `free` is refused by this."""
        return (
            now < self.until
            and self.framework_id == claimant.framework_id
            and self.role == claimant.role
            and self.agent_id == agent_id
            and self.resources.contains(free)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What is to be offered to whom."""

    framework_id: str
    role: str
    agent_id: str
    resources: Resources


def refused_until(now: float, refuse_seconds: float, allocation_interval: float) -> float | None:
    """When a filter ends: it lasts at least to the next tick, unless it is 0 (None: no filter)."""
    if refuse_seconds <= 0:
        return None
    return now + max(refuse_seconds, allocation_interval)


def is_allocatable(free: Resources) -> bool:
    """Whether it is worth an offer: at least 0.01 cpus, or 32 MB."""
    return free.cpus >= LEAST_CPUS or free.mem >= LEAST_MEM


def dominant_share(held: Resources, total: Resources) -> float:
    """The largest share of any resource."""
    return max(
        (getattr(held, name) / getattr(total, name) for name in SCALARS if getattr(total, name)),
        default=0.0,
    )


def allocate(
    claimants: Sequence[Claimant],
    free: Mapping[str, Resources],
    total: Resources,
    refusals: Iterable[Refusal],
    now: float,
) -> list[Allocation]:
    """Give each agent's free resources to the claimant with the smallest share that takes them.

    `free` is by agent id, in the order in which agents are dealt out; `total` is the cluster's.
    Claimants with equal shares are served in their order.
    """
    refusals = list(refusals)
    held = {(c.role, c.framework_id): c.held for c in claimants}
    by_role: dict[str, Resources] = {}
    for claimant in claimants:
        by_role[claimant.role] = by_role.get(claimant.role, NOTHING) + claimant.held
    allocations = []
    for agent_id, left in free.items():
        if not is_allocatable(left):
            continue
        ordered = sorted(
            claimants,
            key=lambda c: (
                dominant_share(by_role[c.role], total),
                dominant_share(held[c.role, c.framework_id], total),
            ),
        )
        taker = next((c for c in ordered if _takes(c, agent_id, left, refusals, now)), None)
        if taker is None:
            continue
        held[taker.role, taker.framework_id] += left
        by_role[taker.role] += left
        allocations.append(
            Allocation(
                framework_id=taker.framework_id,
                role=taker.role,
                agent_id=agent_id,
                resources=left,
            )
        )
    return allocations


def _takes(
    claimant: Claimant, agent_id: str, free: Resources, refusals: Iterable[Refusal], now: float
) -> bool:
    if free.gpus and not claimant.takes_gpus:
        return False
    return not any(refusal.covers(claimant, agent_id, free, now) for refusal in refusals)
