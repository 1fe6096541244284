"""The arithmetic of resources: Mesos' three decimals, and ranges of ports."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.scheduler.offers import Share, take
from mrunkit.scheduler.resources import (
    Demand,
    PortRange,
    Resources,
    fixed,
    lowest_ports,
    merge_ranges,
    subtract_ranges,
)

thousandths = st.integers(0, 10**8).map(lambda number: number / 1000)
ranges = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
).map(tuple)
resources = st.builds(
    Resources, cpus=thousandths, mem=thousandths, disk=thousandths, ports=ranges.map(merge_ranges)
)


def ports_of(port_ranges: tuple[PortRange, ...]) -> set[int]:
    """The ports of ranges, one by one."""
    return {port for first, last in port_ranges for port in range(first, last + 1)}


def test_scalars_keep_three_decimals() -> None:
    """0.1 + 0.2 cpus are 0.3 cpus, as for Mesos."""
    assert Resources(cpus=0.1) + Resources(cpus=0.2) == Resources(cpus=0.3)


def test_three_ranks_of_a_tenth_fit_into_three_tenths() -> None:
    """Division does not lose a rank to binary fractions."""
    assert Resources(cpus=0.3).ranks_that_fit(Demand(cpus=0.1)) == 3


def test_a_rank_that_lacks_a_thousandth_does_not_fit() -> None:
    """However large the amounts are: 0.001 MB less than 16 GB is not enough."""
    assert Resources(mem=16383.999).ranks_that_fit(Demand(mem=16384.0)) < 1


def test_no_demand_always_fits() -> None:
    """A rank that needs nothing fits any number of times."""
    assert Resources().ranks_that_fit(Demand()) == float("inf")


def test_the_scarcest_resource_decides_how_many_ranks_fit() -> None:
    """Every dimension counts."""
    have = Resources(cpus=8.0, mem=1024.0, disk=50.0, gpus=4.0, ports=((1, 3),))
    demands = {
        "cpus": Demand(cpus=4.0, mem=1.0),
        "mem": Demand(cpus=1.0, mem=512.0),
        "disk": Demand(cpus=1.0, disk=25.0),
        "gpus": Demand(cpus=1.0, gpus=2.0),
        "ports": Demand(cpus=1.0, ports=2),
    }
    fits = {name: have.ranks_that_fit(demand) for name, demand in demands.items()}
    assert fits == {"cpus": 2, "mem": 2, "disk": 2, "gpus": 2, "ports": 1.5}


@given(
    have=resources,
    cpus=st.floats(0.01, 64, allow_nan=False),
    mem=st.floats(1, 10**6, allow_nan=False),
    ports=st.integers(0, 3),
)
def test_what_fits_can_be_taken(have: Resources, cpus: float, mem: float, ports: int) -> None:
    """If n ranks are said to fit, their n-fold demand can be taken, to the last thousandth."""
    rank = Demand(cpus=cpus, mem=mem, ports=ports)
    count = int(min(have.ranks_that_fit(rank), 1000))
    taken = take([Share(role="*", resources=have)], rank * count)
    assert (have - taken[0].resources if taken else have) is not None


@given(one=resources, other=resources)
def test_subtraction_undoes_addition_of_scalars(one: Resources, other: Resources) -> None:
    """(a + b) - b is a, exactly."""
    left = one + other - other
    assert (left.cpus, left.mem, left.disk) == (one.cpus, one.mem, one.disk)


@given(one=resources, other=resources)
def test_addition_does_not_care_for_the_order(one: Resources, other: Resources) -> None:
    """a + b is b + a, and contains both."""
    both = one + other
    assert both == other + one
    assert both.contains(one)
    assert both.contains(other)


@pytest.mark.parametrize(
    "more",
    [
        Resources(cpus=1.001),
        Resources(mem=64.001),
        Resources(disk=0.001),
        Resources(gpus=1),
        Resources(ports=((5, 6),)),
    ],
)
def test_what_is_not_contained_cannot_be_subtracted(more: Resources) -> None:
    """A debt is an error."""
    have = Resources(cpus=1.0, mem=64.0, ports=((1, 5),))
    assert not have.contains(more)
    with pytest.raises(ValueError, match="is not contained"):
        have - more


@given(ranges)
def test_merging_keeps_the_ports(some: tuple[PortRange, ...]) -> None:
    """Merged ranges hold the same ports, sorted, with a gap between any two."""
    merged = merge_ranges(some)
    assert ports_of(merged) == ports_of(some)
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(merged))


@given(ranges, ranges)
def test_subtracting_ranges_is_subtracting_sets(
    some: tuple[PortRange, ...], taken: tuple[PortRange, ...]
) -> None:
    """Ranges are sets of ports."""
    assert ports_of(subtract_ranges(some, taken)) == ports_of(some) - ports_of(taken)


@given(ranges.map(merge_ranges), st.integers(0, 80))
def test_the_lowest_ports_are_taken(some: tuple[PortRange, ...], count: int) -> None:
    """As many as asked for, or all, from the lowest upwards."""
    assert ports_of(lowest_ports(some, count)) == set(sorted(ports_of(some))[:count])


@given(thousandths, st.integers(1, 1000))
def test_a_multiple_of_a_demand_has_three_decimals(amount: float, ranks: int) -> None:
    """n ranks need n times as much, in thousandths."""
    expected = round(amount * 1000) * ranks / 1000
    assert (Demand(cpus=amount) * ranks).cpus == fixed(expected)


def test_reserved_resources_are_taken_first() -> None:
    """What only our role can use goes before what everybody could use."""
    shares = [
        Share(role="*", resources=Resources(cpus=4.0, mem=512.0, ports=((31000, 31009),))),
        Share(role="web", resources=Resources(cpus=1.0, mem=512.0)),
    ]
    assert take(shares, Demand(cpus=3.0, mem=256.0, ports=2)) == (
        Share(role="web", resources=Resources(cpus=1.0, mem=256.0)),
        Share(role="*", resources=Resources(cpus=2.0, ports=((31000, 31001),))),
    )


def test_taking_more_than_there_is_raises() -> None:
    """Nothing is taken in part."""
    with pytest.raises(ValueError, match="the shares lack"):
        take([Share(role="*", resources=Resources(cpus=1.0))], Demand(cpus=1.001))
