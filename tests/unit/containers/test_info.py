"""A task's container, as the agent is asked for it."""

from __future__ import annotations

import pytest

from mrunkit.containers.info import container_info
from mrunkit.containers.limits import Limits
from mrunkit.containers.options import ContainerOptions


@pytest.mark.parametrize(
    ("network", "hostname", "expected"),
    [
        ("mpi-network", "host1", ["host1"]),
        ("mpi-network", "192.0.2.7", []),
        ("mpi-network", "2001:db8::7", []),
        ("host", "host1", []),
    ],
)
def test_a_container_is_called_as_its_host(
    network: str, hostname: str, expected: list[str]
) -> None:
    """Not by an address: `hostname -i` in the container would tell that, and not its own."""
    options = ContainerOptions(image="mpi", user="1:1", network=network)
    info = container_info(
        options,
        image="mpi",
        share="/share",
        labels={},
        hostname=hostname,
        limits=Limits(),
        cpus=1.0,
        mem=128.0,
    )
    parameters = info["docker"]["parameters"]
    assert [one["value"] for one in parameters if one["key"] == "hostname"] == expected
