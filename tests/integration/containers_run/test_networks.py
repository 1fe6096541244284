"""Jobs on the networks that containers can have: they work, and stay on theirs."""

from __future__ import annotations

import ipaddress
import random
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from job_containers import OVERLAY_SUBNET, connections

if TYPE_CHECKING:
    from docker_fixtures import Run
    from job_containers import ContainerRuns

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

NODES = 4


@pytest.fixture(params=["host", "bridge", "overlay"])
def network(request: pytest.FixtureRequest) -> str:
    """Each kind of network in turn."""
    return str(request.getfixturevalue("overlay") if request.param == "overlay" else request.param)


def test_a_job_runs_in_a_container_per_node(mrunkit: ContainerRuns, network: str) -> None:
    """All ranks find each other, whatever the network."""
    hello = mrunkit.program("hello_world")
    ended = mrunkit.run_in("--network", network, "-N", str(NODES), "local", hello)
    ranks = [line.partition(" Running")[0] for line in ended.lines]
    expected = [f"Number of tasks= {NODES} My rank= {rank}" for rank in range(NODES)]
    assert (ended.status, ranks) == (0, expected), ended.stderr


def test_ranks_on_an_overlay_talk_over_nothing_else(mrunkit: ContainerRuns, overlay: str) -> None:
    """No rank's connection leaves the overlay, though each container has a way to its host."""
    client = mrunkit.start_in(
        "--network", overlay, "-N", "4", "-n", "8", "local", mrunkit.program("talk")
    )
    client.until_said("all have talked")
    subnet = ipaddress.ip_network(OVERLAY_SUBNET)
    for described in mrunkit.described():
        interfaces = mrunkit.docker("exec", described["Id"], "ls", "/sys/class/net").stdout.split()
        found = connections(described["State"]["Pid"])
        remote = {ipaddress.ip_address(it.remote) for it in found if it.remote != it.local}
        # Three other nodes, at least; a second interface that could have been used is there.
        assert (len(interfaces), len(remote) >= NODES - 1) == (3, True), (interfaces, found)
        assert {address for address in remote if address not in subnet} == set()
        assert {it.local for it in found if ipaddress.ip_address(it.local) not in subnet} == set()


def test_a_missing_network_is_found_before_anything_is_launched(mrunkit: ContainerRuns) -> None:
    """With what it is for, and the choices."""
    ended = mrunkit.run_in("--network", "no-such-net", "local", mrunkit.program("hello_world"))
    assert ended.status == 125
    assert "there is no network no-such-net on this machine's Docker" in ended.stderr
    assert "docker network create -d overlay --attachable" in ended.stderr
    assert "or choose --network host" in ended.stderr


@pytest.fixture
def network_name(docker: Run) -> str:
    """A name that no network has."""
    return f"mrunkit-test-{uuid.uuid4().hex[:8]}"


def test_an_overlay_for_services_alone_is_refused(
    mrunkit: ContainerRuns, make_network: Callable[..., str], network_name: str
) -> None:
    """A container cannot join it, whoever asks."""
    make_network(network_name)
    ended = mrunkit.run_in("--network", network_name, "local", mrunkit.program("hello_world"))
    assert ended.status == 125
    assert f"network {network_name} is not attachable" in ended.stderr


def free_subnet() -> str:
    """A /29 that another run of these tests has hardly chosen as well."""
    return f"10.76.{random.randrange(256)}.{random.randrange(32) * 8}/29"


def test_a_subnet_without_addresses_is_named(
    mrunkit: ContainerRuns, make_network: Callable[..., str], network_name: str
) -> None:
    """A /29 has 5 addresses for containers less one for the host; 8 nodes need 9."""
    make_network(network_name, "--attachable", "--subnet", free_subnet())
    words = ("--network", network_name, "-N", "8", "local:8x1", mrunkit.program("hello_world"))
    ended = mrunkit.run_in(*words)
    assert ended.status == 125
    assert f"network {network_name} gave the container no address" in ended.stderr
    assert "--subnet" in ended.stderr
