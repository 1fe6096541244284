"""Dominant resource fairness and filters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mrunkit.local.allocator import (
    Claimant,
    Refusal,
    allocate,
    dominant_share,
    refused_until,
)
from mrunkit.scheduler.resources import NOTHING, Resources

AGENT = Resources(cpus=8, mem=4096)
FOUR = {f"S{n}": AGENT for n in range(4)}
TOTAL = Resources(cpus=32, mem=16384)


def given_to(allocations: list) -> dict[str, list[str]]:
    """Agents by the framework they were offered to."""
    shared: dict[str, list[str]] = {}
    for a in allocations:
        shared.setdefault(a.framework_id, []).append(a.agent_id)
    return shared


def refusal(resources: Resources = AGENT, until: float = 10.0) -> Refusal:
    return Refusal(framework_id="f1", role="*", agent_id="S0", resources=resources, until=until)


def test_one_framework_is_offered_everything() -> None:
    """Without competition all that is free goes to the only framework."""
    allocations = allocate([Claimant(framework_id="f1", role="*")], FOUR, TOTAL, [], 0)
    assert given_to(allocations) == {"f1": ["S0", "S1", "S2", "S3"]}


def test_equal_frameworks_share_equally() -> None:
    """Two frameworks that hold nothing are offered agents in turn."""
    both = [Claimant(framework_id=name, role="*") for name in ("f1", "f2")]
    assert given_to(allocate(both, FOUR, TOTAL, [], 0)) == {
        "f1": ["S0", "S2"],
        "f2": ["S1", "S3"],
    }


def test_the_smaller_dominant_share_is_served_first() -> None:
    """A framework with much memory waits for one with few cpus."""
    both = [
        Claimant(framework_id="f1", role="*", held=Resources(cpus=1, mem=12288)),
        Claimant(framework_id="f2", role="*", held=Resources(cpus=8)),
    ]
    assert given_to(allocate(both, {"S0": AGENT}, TOTAL, [], 0)) == {"f2": ["S0"]}


def test_roles_share_before_their_frameworks_do() -> None:
    """One framework of its own role gets as much as two that share a role."""
    three = [
        Claimant(framework_id="f1", role="a"),
        Claimant(framework_id="f2", role="a"),
        Claimant(framework_id="f3", role="b"),
    ]
    shared = given_to(allocate(three, FOUR, TOTAL, [], 0))
    assert {name: len(agents) for name, agents in shared.items()} == {"f1": 1, "f2": 1, "f3": 2}


def test_what_was_refused_is_not_offered_until_the_filter_ends() -> None:
    """The same resources come back only when the filter is over."""
    one = [Claimant(framework_id="f1", role="*")]
    assert allocate(one, {"S0": AGENT}, TOTAL, [refusal()], 9.9) == []
    assert len(allocate(one, {"S0": AGENT}, TOTAL, [refusal()], 10.0)) == 1


def test_more_than_was_refused_is_offered_despite_the_filter() -> None:
    """A filter holds for what was refused, and for less."""
    one = [Claimant(framework_id="f1", role="*")]
    smaller = refusal(Resources(cpus=4, mem=4096))
    assert len(allocate(one, {"S0": AGENT}, TOTAL, [smaller], 0)) == 1
    assert allocate(one, {"S0": Resources(cpus=4)}, TOTAL, [smaller], 0) == []


def test_what_one_refuses_goes_to_the_other() -> None:
    """A filter holds for its own framework only."""
    both = [Claimant(framework_id=name, role="*") for name in ("f1", "f2")]
    assert given_to(allocate(both, {"S0": AGENT}, TOTAL, [refusal()], 0)) == {"f2": ["S0"]}


def test_crumbs_are_not_offered() -> None:
    """Less than 0.01 cpus and less than 32 MB is not worth an offer."""
    one = [Claimant(framework_id="f1", role="*")]
    crumbs = {"S0": Resources(cpus=0.009, mem=31, disk=100)}
    assert allocate(one, crumbs, TOTAL, [], 0) == []
    assert len(allocate(one, {"S0": Resources(mem=32)}, TOTAL, [], 0)) == 1


def test_agents_with_gpus_are_kept_for_those_who_ask() -> None:
    """A framework without GPU_RESOURCES is not offered an agent that has gpus."""
    rich = {"S0": Resources(cpus=8, gpus=1)}
    plain = Claimant(framework_id="f1", role="*", takes_gpus=False)
    assert allocate([plain], rich, TOTAL, [], 0) == []


def test_filters_last_at_least_to_the_next_tick() -> None:
    """As measured: 0 is no filter, 0.3 lasts a tick, 12 is 12."""
    assert refused_until(100, 0, 1) is None
    assert refused_until(100, 0.3, 1) == 101
    assert refused_until(100, 12, 1) == 112


amounts = st.builds(
    Resources,
    cpus=st.integers(0, 64).map(float),
    mem=st.integers(0, 9999).map(float),
)


@given(
    held=st.lists(amounts, min_size=1, max_size=5),
    free=st.lists(amounts, max_size=8),
)
def test_agents_are_dealt_whole_and_to_the_poorest(
    held: list[Resources], free: list[Resources]
) -> None:
    """No agent is offered twice, none in part, and each to who has the least by then."""
    claimants = [Claimant(framework_id=f"f{n}", role="*", held=h) for n, h in enumerate(held)]
    agents = {f"S{n}": amount for n, amount in enumerate(free)}
    total = Resources(cpus=1024, mem=99999)
    now_held = {claimant.framework_id: claimant.held for claimant in claimants}
    seen = set()
    for allocation in allocate(claimants, agents, total, [], 0):
        assert allocation.agent_id not in seen
        seen.add(allocation.agent_id)
        assert allocation.resources == agents[allocation.agent_id]
        least = min(dominant_share(amount, total) for amount in now_held.values())
        assert dominant_share(now_held[allocation.framework_id], total) == least
        now_held[allocation.framework_id] += allocation.resources
    assert all(a.cpus < 0.01 and a.mem < 32 for name, a in agents.items() if name not in seen)
    assert dominant_share(NOTHING, total) == 0
