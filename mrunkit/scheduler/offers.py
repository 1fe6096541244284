"""Offers and agents as the scheduler sees them: who has how much of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .job import Constraint, JobSpec
from .resources import NOTHING, Demand, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of an agent: a text or number in `values`, or number ranges."""

    name: str
    values: frozenset[str] = frozenset()
    ranges: tuple[tuple[float, float], ...] = ()

    def has(self, value: str) -> bool:
        """Whether the attribute is, holds or spans the value."""
        if value in self.values:
            return True
        try:
            number = float(value)
        except ValueError:
            return False
        return any(first <= number <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of an offer that belongs to one role ("*" is unreserved)."""

    role: str
    resources: Resources


class Candidate(Protocol):
    """An agent that could take a part of a gang."""

    @property
    def agent_id(self) -> str:
        """The master's id of the agent."""

    @property
    def hostname(self) -> str:
        """The name under which the agent registered."""

    @property
    def address(self) -> str:
        """The IPv4 address under which the agent registered."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the agent says of itself."""

    @property
    def available(self) -> Resources:
        """How much of it could be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent with all it could give: several offers of it, or its whole capacity."""

    agent_id: str
    hostname: str
    address: str
    attributes: tuple[Attribute, ...] = ()
    available: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A part of one agent that the master lends us until we accept or decline it."""

    offer_id: str
    agent_id: str
    hostname: str
    address: str
    attributes: tuple[Attribute, ...] = ()
    shares: tuple[Share, ...]
    available: Resources
    """All shares together."""

    @classmethod
    def of(
        cls,
        offer_id: str,
        agent_id: str,
        *,
        hostname: str,
        address: str,
        shares: tuple[Share, ...],
        attributes: tuple[Attribute, ...] = (),
    ) -> Offer:
        """An offer whose `available` is the sum of its shares."""
        return cls(
            offer_id=offer_id,
            agent_id=agent_id,
            hostname=hostname,
            address=address,
            attributes=attributes,
            shares=shares,
            available=total(share.resources for share in shares),
        )


def total(parts: Iterable[Resources]) -> Resources:
    """All parts together."""
    parts = tuple(parts)
    return parts[0] if len(parts) == 1 else sum(parts, start=NOTHING)


def by_agent(offers: Iterable[Offer]) -> dict[str, list[Offer]]:
    """The offers of each agent; agents in the order of their first offers."""
    grouped: dict[str, list[Offer]] = {}
    for offer in offers:
        grouped.setdefault(offer.agent_id, []).append(offer)
    return grouped


def together(offers: Sequence[Offer]) -> Candidate:
    """Several offers of one agent as one candidate."""
    first = offers[0]
    if len(offers) == 1:
        return first
    return Agent(
        agent_id=first.agent_id,
        hostname=first.hostname,
        address=first.address,
        attributes=first.attributes,
        available=total(offer.available for offer in offers),
    )


def take(shares: Iterable[Share], demand: Demand) -> tuple[Share, ...]:
    """Take a demand out of shares, what is reserved for a role first.

    Raises ValueError if the shares do not hold it.
    """
    missing = demand
    taken: list[Share] = []
    for share in sorted(shares, key=lambda share: share.role == "*"):
        part = share.resources.at_most(missing)
        if part.is_empty:
            continue
        taken.append(Share(role=share.role, resources=part))
        missing = missing.without(part)
    if missing != Demand():
        raise ValueError(f"the shares lack {missing}")
    return tuple(taken)


def is_named(candidate: Candidate, names: frozenset[str]) -> bool:
    """Whether the candidate's host name or address is among the names."""
    return candidate.hostname in names or candidate.address in names


def satisfies(candidate: Candidate, constraint: Constraint) -> bool:
    """Whether the candidate has the attribute with the value."""
    return any(
        attribute.name == constraint.attribute and attribute.has(constraint.value)
        for attribute in candidate.attributes
    )


def is_eligible(candidate: Candidate, spec: JobSpec) -> bool:
    """Whether the job may use this agent at all, however much room it has."""
    return (
        (not spec.hosts or is_named(candidate, spec.hosts))
        and not (spec.exclude and is_named(candidate, spec.exclude))
        and all(satisfies(candidate, constraint) for constraint in spec.constraints)
    )
