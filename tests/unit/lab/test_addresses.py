"""Subnets and addresses of labs."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.lab.addresses import POOL, free_subnet, host_address, parse_routes
from mrunkit.lab.request import MOST_HOSTS, LabError

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
br-1\t0000580A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""

networks = st.builds(
    lambda third, prefix: IPv4Network((f"10.88.{third}.0", prefix), strict=False),
    st.integers(0, 255),
    st.integers(17, 30),
)


def test_routes_of_this_machine_are_read_as_the_kernel_tells_them() -> None:
    """Bytes come last first; the default route takes nothing away."""
    assert parse_routes(ROUTES) == [IPv4Network("172.17.0.0/16"), IPv4Network("10.88.0.0/24")]


@given(st.lists(networks, max_size=30))
def test_a_new_subnet_overlaps_none_that_is_taken(taken: list[IPv4Network]) -> None:
    """Whatever is there, a lab gets a /24 of its own, or is refused."""
    try:
        found = free_subnet(taken)
    except LabError:
        free = [
            subnet
            for subnet in POOL.subnets(new_prefix=24)
            if not any(subnet.overlaps(other) for other in taken)
        ]
        assert free == []
        return
    assert [other for other in taken if other.overlaps(found)] == []
    assert (found.prefixlen, found.subnet_of(POOL)) == (24, True)


def test_no_free_subnet_is_an_error_that_says_what_to_do() -> None:
    """A machine whose network is 10.0.0.0/8 has no room for labs."""
    with pytest.raises(LabError, match=r"no /24 of 10\.88\.0\.0/16 is free"):
        free_subnet([IPv4Network("10.0.0.0/8")])


def test_the_largest_lab_fits_into_its_subnet() -> None:
    """The last host's address is no broadcast address."""
    subnet = IPv4Network("10.88.3.0/24")
    assert host_address(subnet, 0) == "10.88.3.10"
    assert host_address(subnet, MOST_HOSTS - 1) == "10.88.3.209"
