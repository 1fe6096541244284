"""Role swarm on real hosts: one swarm, the network of jobs over it, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_hosts import CONTAINER_SKIPS, LabHosts, inventory_text
from small_image import NAME, put_small_image, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PLAYS = ("validate.yml", "docker.yml", "swarm.yml")
SWARM = ("validate.yml", "swarm.yml")


@pytest.fixture(scope="module")
def swarm(lab_hosts: LabHosts) -> Iterator[LabHosts]:
    """The hosts once docker and swarm ran, and out of the swarm again at the end."""
    lab_hosts.play(*PLAYS)
    yield lab_hosts
    lab_hosts.play("teardown.yml", "--tags", "swarm")


def _state(hosts: LabHosts, host: str) -> str:
    return hosts.on(host, "docker", "info", "-f", "{{.Swarm.LocalNodeState}}").strip()


def _nodes(hosts: LabHosts) -> dict[str, str]:
    """Role and state by name; a name that is there twice shows as such."""
    ids = hosts.on("host0", "docker", "node", "ls", "-q").split()
    row = "{{.Description.Hostname}} {{.Spec.Role}} {{.Status.State}}"
    rows = hosts.on("host0", "docker", "node", "inspect", "-f", row, *ids).splitlines()
    found: dict[str, str] = {}
    for name, _, rest in (row.partition(" ") for row in rows):
        found[name] = f"{found[name]}, {rest}" if name in found else rest
    return found


def _tokens(hosts: LabHosts) -> set[str]:
    ask = ("docker", "swarm", "join-token", "--quiet")
    return {hosts.on("host0", *ask, role) for role in ("worker", "manager")}


ONE_MANAGER = {"host0": "manager ready", "host1": "worker ready", "host2": "worker ready"}


def test_a_second_run_changes_nothing(swarm: LabHosts) -> None:
    """All hosts are ready nodes, and neither another run nor --check changes that."""
    again, checked = swarm.play(*PLAYS), swarm.play(*PLAYS, "--check")

    assert _nodes(swarm) == ONE_MANAGER
    assert set(again.changed.values()) == set(checked.changed.values()) == {0}


def test_containers_on_two_hosts_reach_each_other(swarm: LabHosts, tmp_path: Path) -> None:
    """Over the overlay, by name, with packets as large as its MTU lets them be."""
    put_small_image(swarm, save_small_image(swarm.docker, tmp_path), "host1", "host2")
    run = ("docker", "run", "--network", "mpi-network")
    swarm.on("host1", *run, "-d", "--name", "ring1", NAME, "sleep", "1000")

    # 28: the headers of IP and ICMP; 50: those of VXLAN.
    size = str(1500 - 50 - 28)
    printed = swarm.on("host2", *run, "--rm", NAME, "ping", "-c", "2", "-s", size, "ring1")
    mtu = swarm.on("host2", *run, "--rm", NAME, "ip", "link", "show", "eth0")
    swarm.on("host1", "docker", "rm", "-f", "ring1")

    assert "2 packets received" in printed
    assert "mtu 1450 " in mtu


def test_the_network_is_as_the_inventory_says(swarm: LabHosts) -> None:
    """Subnet, attachable, and the MTU of the hosts' interfaces for Docker to reckon with."""
    (found,) = json.loads(swarm.on("host0", "docker", "network", "inspect", "mpi-network"))

    assert found["Driver"] == "overlay"
    assert found["Attachable"] is True
    assert [config["Subnet"] for config in found["IPAM"]["Config"]] == ["10.0.9.0/24"]
    assert found["Options"]["com.docker.network.driver.mtu"] == "1500"


def test_a_network_with_other_settings_stays(swarm: LabHosts) -> None:
    """What is different is told, with the remedy, and nothing is removed."""
    before = swarm.on("host0", "docker", "network", "ls", "-q", "-f", "name=mpi-network")

    played = swarm.play(
        *SWARM,
        check=False,
        lab_network_is_encrypted=True,
        lab_network_subnet="10.99.0.0/24",
        # The kernel here need not be able to.
        validate_skip=[*CONTAINER_SKIPS, "encryption"],
    )

    said = " ".join(played.output.split())
    assert played.status != 0
    assert "its subnet is 10.0.9.0/24, it is not encrypted" in said
    assert "docker network rm mpi-network" in said
    after = swarm.on("host0", "docker", "network", "ls", "-q", "-f", "name=mpi-network")
    assert after == before


def test_a_host_of_another_swarm_is_left_there(swarm: LabHosts) -> None:
    """It is named; once it has left that swarm it joins, and its old node is forgotten."""
    swarm.on("host2", "docker", "swarm", "leave")
    swarm.on("host2", "docker", "swarm", "init", "--advertise-addr", swarm.addresses["host2"])

    played = swarm.play(*SWARM, check=False)
    state = _state(swarm, "host2")
    swarm.on("host2", "docker", "swarm", "leave", "--force")
    swarm.play(*SWARM)

    assert played.failed == {"host0": 0, "host1": 0, "host2": 1}
    assert "host2 is in another swarm" in played.output
    assert state == "active"
    assert _nodes(swarm) == ONE_MANAGER


def test_a_host_that_was_put_out_joins_again(swarm: LabHosts) -> None:
    """The manager removed it, and the host does not know: it leaves what is no more, and joins."""
    node = swarm.on("host1", "docker", "info", "-f", "{{.Swarm.NodeID}}").strip()
    swarm.on("host0", "docker", "node", "rm", "--force", node)

    swarm.play(*SWARM)

    assert _nodes(swarm) == ONE_MANAGER


def test_a_manager_without_its_swarm_makes_a_new_one(swarm: LabHosts) -> None:
    """As after host0 was installed anew: the others' swarm is no more, and they join the new."""
    swarm.on("host0", "docker", "swarm", "leave", "--force")

    swarm.play(*SWARM)

    assert _nodes(swarm) == ONE_MANAGER
    assert swarm.on("host0", "docker", "network", "ls", "-q", "-f", "name=mpi-network") != ""


def test_managers_follow_the_inventory(swarm: LabHosts, tmp_path: Path) -> None:
    """One becomes three, and three become one again."""
    three = tmp_path / "inventory.ini"
    three.write_text(f"{inventory_text(swarm)}\n[managers]\nhost0\nhost1\nhost2\n")

    swarm.play(*SWARM, inventory=three)
    promoted = _nodes(swarm)
    again = swarm.play(*SWARM, inventory=three)
    swarm.play(*SWARM)

    assert set(promoted.values()) == {"manager ready"}
    assert set(again.changed.values()) == {0}
    assert _nodes(swarm) == ONE_MANAGER


def test_one_host_can_be_added_alone(swarm: LabHosts) -> None:
    """With --limit, the managers are asked although they take no part."""
    swarm.on("host2", "docker", "swarm", "leave")

    swarm.play(*SWARM, "--limit", "host2")

    assert _nodes(swarm) == ONE_MANAGER


def test_why_a_host_cannot_join_is_told(swarm: LabHosts) -> None:
    """In Docker's words; the token is in no output."""
    swarm.on("host2", "docker", "swarm", "leave")
    tokens = [token.strip() for token in _tokens(swarm)]
    closed = ("iptables", "-I", "OUTPUT", "-p", "tcp", "--dport", "2377", "-j", "REJECT")
    swarm.on("host2", *closed)
    try:
        played = swarm.play(*SWARM, "-vvv", check=False, swarm_join_timeout=2)
    finally:
        swarm.on("host2", "iptables", "-D", *closed[2:])
        swarm.on("host2", "docker", "swarm", "leave", "--force", check=False)
        swarm.play(*SWARM)

    said = " ".join(played.output.split())
    assert played.failed == {"host0": 0, "host1": 0, "host2": 1}
    assert f"host2 could not join the swarm at {swarm.addresses['host0']}: " in said
    assert not [token for token in tokens if token in played.output]
    assert _nodes(swarm) == ONE_MANAGER


def test_teardown_of_one_host_leaves_the_swarm_whole(swarm: LabHosts) -> None:
    """The host leaves, the managers forget it, and the others stay."""
    swarm.play("teardown.yml", "--tags", "swarm", "--limit", "host2")
    left = _nodes(swarm)
    swarm.play(*SWARM)

    assert left == {"host0": "manager ready", "host1": "worker ready"}


def test_teardown_ends_the_swarm(swarm: LabHosts) -> None:
    """No host is in a swarm, its networks are gone, and a second teardown changes nothing."""
    swarm.play("teardown.yml", "--tags", "swarm")
    states = {host: _state(swarm, host) for host in swarm.containers}
    networks = swarm.on("host1", "docker", "network", "ls", "--format", "{{.Name}}").split()
    again = swarm.play("teardown.yml", "--tags", "swarm")

    assert set(states.values()) == {"inactive"}
    assert sorted(networks) == ["bridge", "host", "none"]
    assert set(again.changed.values()) == {0}


def test_a_swarm_of_before_outlives_the_lab(swarm: LabHosts) -> None:
    """Its networks as well; the hosts that bootstrap had join it leave, and so does its network."""
    swarm.on("host0", "docker", "swarm", "init", "--advertise-addr", swarm.addresses["host0"])
    swarm.on("host0", "docker", "network", "create", "-d", "overlay", "theirs")
    swarm.play(*SWARM)
    joined = _nodes(swarm)
    played = swarm.play("teardown.yml", "--tags", "swarm")
    left = _nodes(swarm)
    networks = swarm.on("host0", "docker", "network", "ls", "--format", "{{.Name}}").split()
    swarm.on("host0", "docker", "swarm", "leave", "--force")

    assert joined == ONE_MANAGER
    assert left == {"host0": "manager ready"}
    assert "theirs" in networks
    assert "mpi-network" not in networks
    assert "host0: it stays in its swarm" in " ".join(played.output.split())
