"""Which agents a gang gets, by every policy."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.scheduler.job import JobSpec, Policy
from mrunkit.scheduler.offers import Agent, Offer, Share, by_agent, together
from mrunkit.scheduler.placement import fill, place
from mrunkit.scheduler.resources import Demand, Resources

ONE_CPU = Demand(cpus=1.0)

rooms = st.lists(st.integers(0, 5), max_size=6)
gangs = st.integers(1, 4).flatmap(
    lambda nodes: st.integers(nodes, 3 * nodes).map(
        lambda procs: JobSpec(job_id="j", nodes=nodes, procs=procs, rank=ONE_CPU).slot_sizes
    )
)


def agents(*cpus: float) -> list[Agent]:
    """Agents named by their place in the row."""
    return [
        Agent(
            agent_id=f"S{number}",
            hostname=f"host{number}",
            address=f"10.0.0.{number}",
            available=Resources(cpus=amount),
        )
        for number, amount in enumerate(cpus)
    ]


@pytest.mark.parametrize(
    ("procs", "nodes", "expected"),
    [
        (10, 4, (3, 3, 2, 2)),
        (8, 4, (2, 2, 2, 2)),
        (4, 4, (1, 1, 1, 1)),
        (5, 4, (2, 1, 1, 1)),
        (7, 1, (7,)),
    ],
)
def test_ranks_are_spread_as_evenly_as_they_can_be(
    procs: int, nodes: int, expected: tuple[int, ...]
) -> None:
    """10 ranks on 4 nodes are 3, 3, 2, 2."""
    spec = JobSpec(job_id="j", nodes=nodes, procs=procs, rank=ONE_CPU)
    assert spec.slot_sizes == expected


def test_a_node_cannot_be_without_a_rank() -> None:
    """A spec that makes no sense cannot be made."""
    with pytest.raises(ValueError, match="3 ranks cannot fill 4 nodes"):
        JobSpec(job_id="j", nodes=4, procs=3, rank=ONE_CPU)


@given(sizes=gangs, room=rooms, policy=st.sampled_from(Policy))
def test_a_placement_is_found_whenever_there_is_one(
    sizes: tuple[int, ...], room: list[int], policy: Policy
) -> None:
    """Trying all ways to fill the slots finds none that `place` does not, and the reverse."""
    exists = any(
        all(have >= size for have, size in zip(chosen, sizes, strict=True))
        for chosen in permutations(room, len(sizes))
    )
    assert (place(sizes, ONE_CPU, agents(*room), policy) is not None) == exists


@given(sizes=gangs, room=rooms, policy=st.sampled_from(Policy))
def test_slots_get_different_agents_with_room(
    sizes: tuple[int, ...], room: list[int], policy: Policy
) -> None:
    """Each filled slot has an agent of its own that holds its ranks."""
    filled = fill(sizes, ONE_CPU, agents(*room), policy)
    used = [(agent, size) for agent, size in zip(filled, sizes, strict=True) if agent]
    assert len({agent.agent_id for agent, _ in used}) == len(used)
    assert all(agent.available.cpus >= size for agent, size in used)


@given(sizes=gangs, room=rooms, policy=st.sampled_from(Policy))
def test_as_many_slots_are_filled_as_can_be(
    sizes: tuple[int, ...], room: list[int], policy: Policy
) -> None:
    """What is told to the user ("3/4 collected") is the most that could be."""
    most = max(
        sum(have >= size for have, size in zip(chosen, sizes, strict=True))
        for chosen in permutations([*room, *[0] * len(sizes)], len(sizes))
    )
    filled = fill(sizes, ONE_CPU, agents(*room), policy)
    assert sum(agent is not None for agent in filled) == most


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy.FIRST_FIT, ["S0", "S2"]),
        (Policy.BEST_FIT, ["S3", "S2"]),
        (Policy.WORST_FIT, ["S0", "S4"]),
    ],
)
def test_a_policy_is_an_order_of_agents(policy: Policy, expected: list[str]) -> None:
    """As offered; the least room first; the most room first, equals as offered."""
    placed = place((2, 2), ONE_CPU, agents(8, 1, 4, 2, 8), policy)
    assert placed is not None
    assert [agent.agent_id for agent in placed] == expected


def test_large_slots_come_first_in_the_result() -> None:
    """Agents are in the order of the slots, whatever their own order was."""
    placed = place((3, 2), ONE_CPU, agents(2, 3), Policy.FIRST_FIT)
    assert placed is not None
    assert [agent.agent_id for agent in placed] == ["S1", "S0"]


def test_offers_of_one_agent_count_together() -> None:
    """Two halves of an agent hold what neither of them does."""
    offers = [
        Offer.of(
            f"O{number}",
            "S0",
            hostname="host0",
            address="10.0.0.1",
            shares=(Share(role="*", resources=Resources(cpus=1.0)),),
        )
        for number in range(2)
    ]
    candidates = [together(of_agent) for of_agent in by_agent(offers).values()]
    assert place((2,), ONE_CPU, offers, Policy.FIRST_FIT) is None
    assert place((2,), ONE_CPU, candidates, Policy.FIRST_FIT) is not None
