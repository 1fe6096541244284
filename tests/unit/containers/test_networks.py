"""How containers reach their host, from what Docker tells of a network."""

from __future__ import annotations

from typing import Any

import pytest

from mrunkit.containers.networks import gateway_address


def network(driver: str, *config: dict[str, str]) -> dict[str, Any]:
    """As in Docker's list of networks."""
    return {"Name": "some", "Driver": driver, "IPAM": {"Driver": "default", "Config": [*config]}}


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (network("bridge", {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.9"}), "172.18.0.9"),
        # docker0 at the first start of an engine.
        (network("bridge", {"Subnet": "172.17.0.0/16"}), "172.17.0.1"),
        (network("bridge", {"Subnet": "fd00::/64"}, {"Subnet": "10.1.2.0/24"}), "10.1.2.1"),
        # Where it is not the host's to choose.
        (network("macvlan", {"Subnet": "10.0.0.0/24"}), None),
        (network("host"), None),
        ({"Name": "none", "Driver": "null", "IPAM": {"Config": None}}, None),
        ({}, None),
    ],
)
def test_the_address_of_the_host(told: dict[str, Any], address: str | None) -> None:
    """Docker's word first; else the first of a bridge's subnet, which Docker takes."""
    assert gateway_address(told) == address
