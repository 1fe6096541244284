"""Whether hosts get to each other, to what they share, and into one swarm."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from lab_facts import GOOD

from mrunkit.provision.doctor import mesos_agents, reach, swarm
from mrunkit.provision.doctor.facts import Docker, Missing
from mrunkit.provision.doctor.mesos_agents import ExpectedAgent, RegisteredAgent
from mrunkit.provision.doctor.swarm import Node
from mrunkit.ssh import Completed

OK = Completed(status=0, stdout="", stderr="")


def failed(stderr: str, status: int = 255) -> Completed:
    """A command that failed with this message."""
    return Completed(status=status, stdout="", stderr=stderr)


def test_each_host_begins_with_another() -> None:
    """All at once at the first one's door would be turned away by its sshd."""
    hosts = ["a", "b", "c", "d"]
    assert [reach.others_from(host, hosts)[0] for host in hosts] == ["b", "c", "d", "a"]
    assert reach.others_from("c", hosts) == ["d", "a", "b"]


def test_few_hosts_log_in_to_all_others() -> None:
    """Every pair, both ways."""
    hosts = [f"host{index}" for index in range(32)]
    assert {host: set(reach.logins_from(host, hosts)) for host in hosts} == {
        host: set(hosts) - {host} for host in hosts
    }


def test_many_hosts_log_in_to_a_few_each_and_all_are_reached() -> None:
    """250,000 logins among 500 hosts would tell no more: all have the same files."""
    hosts = [f"host{index}" for index in range(500)]
    logins = {host: reach.logins_from(host, hosts) for host in hosts}
    arrivals = Counter(target for targets in logins.values() for target in targets)
    assert logins["host498"] == [f"host{index}" for index in (499, 0, 2, 6, 14, 30, 62, 126, 254)]
    assert arrivals == dict.fromkeys(hosts, 9)


@pytest.mark.parametrize(
    ("said", "what", "remedy"),
    [
        (
            "No ED25519 host key is known for b and you have requested strict checking.\n"
            "Host key verification failed.",
            "mpi cannot log in to b: its host key is not known, or another one",
            "mrunkit bootstrap --tags ssh",
        ),
        (
            "mpi@b: Permission denied (publickey,password).",
            "mpi cannot log in to b: it does not take the key",
            "mrunkit bootstrap --tags ssh",
        ),
        (
            "ssh: Could not resolve hostname b: Name or service not known",
            "mpi cannot log in to b: its name does not resolve",
            "mrunkit bootstrap --tags base",
        ),
        (
            "ssh: connect to host b port 22: Connection timed out",
            "mpi cannot log in to b: it does not answer"
            " (connect to host b port 22: Connection timed out)",
            "does sshd run there, and is its port open between the hosts?"
            " ssh_port in the inventory names another one",
        ),
    ],
)
def test_a_login_that_fails_says_why(said: str, what: str, remedy: str) -> None:
    """In OpenSSH's words, and what to do about each."""
    (problem,) = reach.ssh_problems({"a": {"b": failed(said), "c": OK}}, user="mpi")
    assert (problem.host, problem.what, problem.remedy) == ("a", what, remedy)


def share_problems(**changes: object) -> list[tuple[str | None, str]]:
    """The problems of a share of two hosts that works but for these changes."""
    text = Completed(status=0, stdout="text", stderr="")
    arguments: dict[str, object] = {
        "storage": "a",
        "is_nfs": True,
        "user": "mpi",
        "writing": {"a": OK, "b": OK},
        "reading": {"a": ("b", text), "b": ("a", text)},
        "mounts": {"a": None, "b": "nfs4"},
        "text": "text",
    }
    problems = reach.share_problems("/share", **{**arguments, **changes})
    return [(problem.host, problem.what) for problem in problems]


def test_a_share_that_works_has_no_problem() -> None:
    """The storage host itself mounts nothing."""
    assert share_problems() == []


def test_a_directory_of_the_hosts_own_is_no_share() -> None:
    """What is then not to be read there follows from it, and is not told."""
    nothing = failed("cat: /share/x: No such file or directory", 1)
    assert share_problems(
        mounts={"a": None, "b": None}, reading={"a": ("b", nothing), "b": ("a", nothing)}
    ) == [("b", "/share is no mount, not NFS")]


def test_a_share_by_other_means_need_not_be_nfs() -> None:
    """It is still written and read."""
    nothing = failed("cat: /share/x: No such file or directory", 1)
    assert share_problems(
        is_nfs=False,
        mounts={"a": "lustre", "b": "lustre"},
        reading={"a": ("b", nothing), "b": ("a", Completed(status=0, stdout="no", stderr=""))},
    ) == [
        ("a", "what b wrote into /share is not there: No such file or directory"),
        ("b", "what a wrote into /share reads otherwise"),
    ]


def test_a_user_who_cannot_write_is_told() -> None:
    """With the system's reason."""
    refused = failed("sh: 1: cannot create /share/x: Permission denied", 2)
    assert share_problems(writing={"a": OK, "b": refused}) == [
        ("b", "mpi cannot write into /share: Permission denied")
    ]


def node(node_id: str, **changes: str) -> Node:
    """A good worker."""
    good = {"status": "Ready", "availability": "Active", "manager": "", "address": ""}
    return Node(node_id=node_id, hostname=f"name-{node_id}", **{**good, **changes})


def docker(node_id: str, **changes: object) -> Docker:
    """A good engine."""
    assert isinstance(GOOD.docker, Docker)
    return replace(GOOD.docker, node_id=node_id, **changes)


def test_a_swarm_of_ready_nodes_has_no_problem() -> None:
    """Beside another lab's or owner's: whether that may be is a question of its own."""
    facts = {
        "a": replace(GOOD, docker=docker("1", is_manager=True)),
        "b": replace(GOOD, docker=docker("2")),
    }
    nodes = (node("1", manager="Leader"), node("2"), node("3", status="Down"))
    assert list(swarm.swarm_problems(facts, nodes, managers=["a"])) == []
    assert swarm.swarm_seen(nodes) == "2 of 3 nodes ready, managed by name-1"


def test_each_way_to_be_no_ready_node_is_told() -> None:
    """With what to do on which host."""
    facts = {
        "out": replace(GOOD, docker=docker("", swarm_state="inactive")),
        "other": replace(GOOD, docker=docker("9")),
        "down": replace(GOOD, docker=docker("2")),
        "drained": replace(GOOD, docker=docker("3")),
        "demoted": replace(GOOD, docker=docker("4")),
        "lost": replace(GOOD, docker=docker("5", is_manager=True)),
        "bare": replace(GOOD, docker=Missing(why="there is no docker command")),
    }
    nodes = (
        node("2", status="Down"),
        node("3", availability="Drain"),
        node("4"),
        node("5", manager="Unreachable"),
    )
    problems = swarm.swarm_problems(facts, nodes, managers=["demoted", "lost"])
    assert [(problem.host, problem.what) for problem in problems] == [
        ("out", "is not in a swarm: inactive"),
        ("other", "is in another swarm, or was removed from this one"),
        ("down", "its node is Down"),
        ("drained", "its node is set to Drain"),
        ("demoted", "is no manager"),
        ("lost", "the manager is Unreachable"),
        ("bare", "there is no docker command"),
    ]


def test_nodes_that_are_no_hosts_are_told_from_hosts_of_before() -> None:
    """By id and address; a host that is not seen may also be there by its name only."""
    facts = {
        "a": replace(GOOD, docker=docker("1", is_manager=True)),
        "bare": replace(GOOD, docker=Missing(why="there is no docker command")),
    }
    nodes = (
        node("1", manager="Leader", address="0.0.0.0"),
        node("2", status="Down", address="10.0.0.1"),  # a, before it was installed anew
        node("3", status="Down", address="10.0.0.2"),  # not reached, but known to be there
        replace(node("4", status="Down"), hostname="lost"),
        replace(node("5", status="Down"), hostname="bare"),
        replace(node("6", address="10.0.0.9"), hostname="a"),
        node("7", address="10.0.0.8", manager="Reachable"),
    )
    addresses = ["10.0.0.1", "10.0.0.2"]
    strangers = swarm.strangers(facts, nodes, hosts=["a", "bare", "lost"], addresses=addresses)
    assert [stranger.node_id for stranger in strangers] == ["6", "7"]
    assert swarm.strangers(facts, Missing(why="?"), hosts=["a"], addresses=addresses) == []


@pytest.mark.parametrize(
    ("note", "is_made"),
    [("made c1", True), ("made c2", False), ("joined c1", False), ("", False), (None, False)],
)
def test_a_swarm_is_the_labs_where_bootstrap_noted_that(
    tmp_path: Path, note: str | None, is_made: bool
) -> None:
    """That it made this very swarm; without a note nobody knows."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho made c1\n")
    docker.chmod(0o755)
    noted = tmp_path / "swarm"
    if note is not None:
        noted.write_text(f"{note}\n")
    words = [*swarm.IS_MADE_BY_LAB.words[:-1], str(noted)]
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(words, env=environ, capture_output=True, check=False)
    assert (ended.returncode == 0) is is_made


def test_a_node_that_is_no_host_is_told_with_how_to_be_rid_of_it() -> None:
    """And of whoever could come in the same way; a manager cannot be removed as such."""
    strangers = [
        node("6", address="10.0.0.9"),
        node("7", address="10.0.0.8", manager="Reachable"),
    ]
    one, manager = swarm.stranger_problems(strangers)
    assert one.what == (
        "name-6 (10.0.0.9) is no host of the lab, but a node of its swarm, to which that gives the "
        "keys of the network of jobs"
    )
    away = "docker swarm join-token --rotate worker; docker swarm join-token --rotate manager"
    intro = "if it is not to be there, on a manager:"
    assert one.remedy == f"{intro} docker node rm --force 6; {away}"
    assert manager.remedy == f"{intro} docker node demote 7; docker node rm --force 7; {away}"


def agent(address: str, **changes: object) -> RegisteredAgent:
    """A good agent."""
    good: dict[str, object] = {
        "hostname": address,
        "address": address,
        "version": "1.11.0",
        "is_active": True,
        "resources": {"cpus": 4.0, "mem": 1000.0},
    }
    return RegisteredAgent(**{**good, **changes})


def expected(host: str, **resources: float) -> ExpectedAgent:
    """An agent of the inventory; hosts a, b, c have the addresses 10.0.0.a, ..."""
    return ExpectedAgent(host=host, address=f"10.0.0.{host}", resources=resources)


def test_agents_are_registered_with_what_the_inventory_says() -> None:
    """What it does not say may be as it is."""
    wanted = [expected("a", cpus=4), expected("b")]
    registered = (agent("10.0.0.a"), agent("10.0.0.b"), agent("10.0.0.x"))
    assert list(mesos_agents.agent_problems(wanted, registered)) == []
    assert mesos_agents.agents_seen(wanted, registered) == (
        "2 registered, with 8 cpus and 2000 MB; 10.0.0.x not in the inventory"
    )


def test_agents_that_are_not_as_they_should_be_are_told() -> None:
    """Missing, without work, or of another size."""
    wanted = [expected("a", cpus=8, gpus=1), *map(expected, "bcd")]
    registered = (
        agent("10.0.0.a"),
        agent("10.0.0.b", is_active=False),
        agent("10.0.0.c", is_active=False, is_deactivated=True),
    )
    problems = mesos_agents.agent_problems(wanted, registered)
    assert [(problem.host, problem.what) for problem in problems] == [
        ("a", "its agent has 4 cpus, not 8"),
        ("a", "its agent has 0 gpus, not 1"),
        ("b", "its agent takes no tasks: the master has lost its connection"),
        ("c", "its agent takes no tasks: it was deactivated or drained"),
        ("d", "its agent is not registered"),
    ]


def test_a_job_can_be_over_the_agents_that_take_tasks() -> None:
    """Those of the inventory; over none where no master tells."""
    wanted = [*map(expected, "abcd")]
    registered = (
        agent("10.0.0.d"),
        agent("10.0.0.b", is_active=False),
        agent("10.0.0.a"),
        agent("10.0.0.x"),
    )
    assert mesos_agents.hosts_that_take_tasks(wanted, registered) == ["a", "d"]
    assert mesos_agents.hosts_that_take_tasks(wanted, Missing(why="no master answers")) == []
