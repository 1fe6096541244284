"""What programs on hosts print, as facts; the files are recordings of the real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.provision.doctor.facts import (
    Clock,
    Disk,
    Docker,
    Missing,
    Mpich,
    fact_commands,
    parse_clock,
    parse_disks,
    parse_docker,
    parse_facts,
    parse_mpich,
)
from mrunkit.provision.doctor.mesos_agents import parse_agents, parse_resources, parse_version
from mrunkit.provision.doctor.overlay import Network, parse_network
from mrunkit.provision.doctor.reach import mount_type
from mrunkit.provision.doctor.swarm import Node, parse_nodes
from mrunkit.ssh import Completed

DATA = Path(__file__).parents[3] / "data"
SYNCHRONISED = (
    "A29FC87B,162.159.200.123,4,1732312345.1,0.0,0.0,0.0,-2.9,0.0,0.1,0.0,0.0,64.5,Normal\n"
)
NOT_FOUND = Completed(status=127, stdout="", stderr="x: No such file or directory")
NO_CONTAINER = Completed(status=1, stdout="none\n", stderr="")


def recorded(name: str) -> Completed:
    """A command that succeeded with the recorded output."""
    return printed((DATA / "doctor" / name).read_text())


def printed(stdout: str) -> Completed:
    """A command that succeeded with this output."""
    return Completed(status=0, stdout=stdout, stderr="")


def failed(stderr: str, status: int = 1) -> Completed:
    """A command that failed with this message."""
    return Completed(status=status, stdout="", stderr=stderr)


@pytest.mark.parametrize(
    ("container", "chronyc", "timedatectl", "clock"),
    [
        (
            NO_CONTAINER,
            recorded("chronyc-tracking-unsynchronised.txt"),
            recorded("timedatectl-unsynchronised.txt"),
            Clock(is_kept=False, by="chrony"),
        ),
        (
            NO_CONTAINER,
            printed(SYNCHRONISED),
            recorded("timedatectl-unsynchronised.txt"),
            Clock(is_kept=True, by="chrony"),
        ),
        (
            NO_CONTAINER,
            NOT_FOUND,
            recorded("timedatectl-unsynchronised.txt"),
            Clock(is_kept=False, by="systemd"),
        ),
        (
            NO_CONTAINER,
            failed("506 Cannot talk to daemon"),
            printed("NTP enabled: yes\nNTP synchronized: yes\n"),
            Clock(is_kept=True, by="systemd"),
        ),
        (
            printed("docker\n"),
            recorded("chronyc-tracking-unsynchronised.txt"),
            NOT_FOUND,
            Clock(is_kept=True, by="its engine"),
        ),
        (
            NO_CONTAINER,
            NOT_FOUND,
            failed("Failed to connect to bus"),
            Missing(why="neither chronyc nor timedatectl tells: Failed to connect to bus"),
        ),
    ],
)
def test_whoever_keeps_the_clock_is_asked(
    container: Completed, chronyc: Completed, timedatectl: Completed, clock: Clock | Missing
) -> None:
    """chrony first, then systemd; a container's clock is not its own."""
    assert parse_clock(container, chronyc, timedatectl) == clock


def test_file_systems_are_listed_once_each() -> None:
    """Also if df complained about a directory that is not there."""
    df = Completed(
        status=1,
        stdout=(DATA / "doctor" / "df.txt").read_text(),
        stderr="df: /share: No such file or directory",
    )
    disks = parse_disks(df)
    assert isinstance(disks, tuple)
    assert [disk.directory for disk in disks] == ["/", "/var/lib/docker", "/dev/shm"]
    assert disks[2] == Disk(directory="/dev/shm", size=64, free=64)


def test_df_that_prints_nothing_is_missing() -> None:
    """With its reason."""
    assert parse_disks(failed("df: no file systems processed")) == Missing(
        why="df: df: no file systems processed"
    )


@pytest.mark.parametrize(
    ("ended", "mpich"),
    [
        (recorded("mpich.txt"), Mpich(version="4.0.2", mpiexec="/usr/bin/mpiexec.hydra")),
        (
            printed(
                "/opt/mpich/bin/mpiexec\n" + (DATA / "hydra" / "version-5.0.2.txt").read_text()
            ),
            Mpich(version="5.0.2", mpiexec="/opt/mpich/bin/mpiexec"),
        ),
        (Completed(status=127, stdout="", stderr=""), Missing(why="it is not in PATH")),
        (
            failed("runuser: user mpi does not exist"),
            Missing(why="runuser: user mpi does not exist"),
        ),
    ],
)
def test_mpich_tells_its_version_and_where_it_is(ended: Completed, mpich: object) -> None:
    """Whether mpichversion or mpiexec tells it."""
    assert parse_mpich(ended) == mpich


@pytest.mark.parametrize(
    ("info", "docker"),
    [
        (
            recorded("docker-info-manager.json"),
            Docker(
                version="20.10.24+dfsg1",
                swarm_state="active",
                swarm_error="",
                node_id="p8521ktc9ozvqu7fzhph3wjxb",
                node_address="10.88.6.10",
                is_manager=True,
            ),
        ),
        (
            recorded("docker-info-left.json"),
            Docker(
                version="20.10.24+dfsg1",
                swarm_state="inactive",
                swarm_error="",
                node_id="",
                node_address="",
                is_manager=False,
            ),
        ),
        (NOT_FOUND, Missing(why="there is no docker command")),
        (
            Completed(
                status=1,
                stdout=(DATA / "doctor" / "docker-info-no-engine.json").read_text(),
                stderr=(DATA / "doctor" / "docker-info-no-engine.stderr").read_text(),
            ),
            Missing(
                why="the engine does not answer: Cannot connect to the Docker daemon at "
                "unix:///nowhere. Is the docker daemon running?"
            ),
        ),
    ],
)
def test_docker_tells_of_itself_and_its_swarm(info: Completed, docker: object) -> None:
    """An engine that does not answer makes `docker info` print JSON all the same."""
    assert parse_docker(info) == docker


def test_nodes_are_as_a_manager_sees_them() -> None:
    """One of the three had left the swarm."""
    addresses = "p8521ktc9ozvqu7fzhph3wjxb 10.88.6.10\nv5vb7zks6xxe5qjbuvlaukcvf 10.88.6.11\n"
    nodes = parse_nodes(recorded("docker-node-ls-down.txt"), printed(addresses))
    assert isinstance(nodes, tuple)
    assert [(node.hostname, node.status) for node in nodes] == [
        ("host0", "Ready"),
        ("host1", "Down"),
        ("host2", "Ready"),
    ]
    assert nodes[0] == Node(
        node_id="p8521ktc9ozvqu7fzhph3wjxb",
        hostname="host0",
        status="Ready",
        availability="Active",
        manager="Leader",
        address="10.88.6.10",
    )
    assert nodes[2].address == ""
    refused = failed("Error response from daemon: rpc error: code = DeadlineExceeded")
    assert isinstance(parse_nodes(recorded("docker-node-ls-down.txt"), refused), Missing)


def test_a_network_tells_whether_it_is_encrypted() -> None:
    """By an option without a value."""
    overlay = parse_network(recorded("docker-network-inspect-encrypted.json"))
    bridge = parse_network(recorded("docker-network-inspect-bridge.json"))
    assert overlay == Network(
        driver="overlay", is_attachable=True, is_encrypted=True, subnets=("10.0.9.0/24",)
    )
    assert bridge is not None
    assert (bridge.driver, bridge.is_attachable, bridge.is_encrypted) == ("bridge", False, False)
    assert parse_network(failed("Error: No such network: x")) is None


def test_the_last_mount_on_a_directory_counts() -> None:
    """It hides what was there before, as what autofs mounts does."""
    autofs = "systemd-1 /share autofs rw,relatime,direct 0 0\n"
    nfs = "host0:/share /share nfs4 rw,vers=4.2,hard 0 0\n"
    mounts = recorded("proc-mounts.txt").stdout
    assert mount_type(mounts, "/share") is None
    assert mount_type(mounts + autofs, "/share") == "autofs"
    assert mount_type(mounts + autofs + nfs, "/share") == "nfs4"
    assert mount_type("h:/a /my\\040share nfs4 rw 0 0\n", "/my share") == "nfs4"


def test_a_masters_agents_are_those_that_take_tasks_and_those_that_do_not() -> None:
    """From a real master's /slaves."""
    body = (DATA / "mesos" / "slaves.json").read_text()
    agents = parse_agents(200, body)
    assert isinstance(agents, tuple)
    first = agents[0]
    assert (first.version, first.is_active) == ("1.11.0", True)
    assert first.resources.keys() >= {"cpus", "mem", "disk"}
    drained = body.replace('"active":true', '"active":true,"drain_info":{"state":"DRAINING"}')
    drained = drained.replace('"active": true', '"active": true,"drain_info":{"state":"DRAINING"}')
    seen = [(agent.is_active, agent.is_deactivated) for agent in parse_agents(200, drained)]
    assert seen == [(False, True)] * len(agents)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, "", "the master does not know us, or not with this secret (HTTP 401)"),
        (503, "", "no master answers: HTTP 503"),
        (307, "", "its master does not lead, and that of no other host answers"),
        (0, "[Errno 111] Connection refused", "no master answers: [Errno 111] Connection refused"),
        (200, "<html>", "what answers is no Mesos master"),
    ],
)
def test_a_master_that_does_not_tell_is_a_reason(status: int, body: str, why: str) -> None:
    """Rather than no agents."""
    assert parse_agents(status, body) == Missing(why=why)


def test_a_master_tells_its_own_version() -> None:
    """All of three do, also those that do not lead."""
    assert parse_version(200, '{"version": "1.11.0", "git_sha": "x"}') == "1.11.0"
    refused = "[Errno 111] Connection refused"
    assert parse_version(0, refused) == Missing(why=f"its master does not answer: {refused}")
    assert parse_version(503, "") == Missing(why="its master does not answer: HTTP 503")
    assert parse_version(200, "[]") == Missing(why="what answers is no Mesos master")


def test_resources_are_read_as_mesos_reads_them() -> None:
    """Ranges and sets are left alone; reserved and unreserved add up."""
    text = "cpus:8;mem(*):1000.5; mem(prod):24;ports:[31000-32000]"
    assert parse_resources(text) == {"cpus": 8.0, "mem": 1024.5}
    assert parse_resources('[{"name":"cpus","type":"SCALAR","scalar":{"value":2}}]') == {"cpus": 2}
    assert parse_resources("") == {}


def test_resources_in_json_are_read_as_an_inventory_gives_them() -> None:
    """A list, whose reserved and unreserved parts add up; nothing of what is no JSON at all."""
    cpus = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}}
    ports = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}}
    assert parse_resources([cpus, {**cpus, "role": "prod"}, ports]) == {"cpus": 4}
    assert parse_resources("[{'name': 'cpus'}]") == {}


@pytest.mark.parametrize(
    "given",
    [
        "mem:1.2.3;cpus:8",
        "mem:.;cpus:8",
        '[{"scalar": {"value": 2}}, {"name": "cpus", "scalar": {"value": "8"}}]',
        "[1, null]",
        [{"name": "mem", "scalar": 2}],
        [{"name": "mem", "scalar": {}}],
        [{"name": ["mem"], "scalar": {"value": 2}}],
        [{"name": "mem", "scalar": {"value": "much"}}],
        [{"name": "mem", "scalar": {"value": None}}],
        [{"name": "mem", "scalar": {"value": 10**400}}],
        [{"name": "mem", "scalar": {"value": float("nan")}}],
    ],
)
def test_resources_that_are_none_are_left_to_the_agent(given: str | list[object]) -> None:
    """It says so itself when it is started; what else is there counts."""
    assert parse_resources(given) == ({"cpus": 8} if "cpus" in given else {})


def test_each_question_of_a_host_becomes_a_fact() -> None:
    """A host that has nothing has reasons instead."""
    commands = fact_commands(user="mpi", share="/share", image="mpi:1", mpich_prefix="/opt/mpich")
    facts = parse_facts(dict.fromkeys(commands, NOT_FOUND))
    assert facts.docker == Missing(why="there is no docker command")
    assert facts.mpich == Missing(why="it is not in PATH")
    assert isinstance(facts.open_files, Missing)
    assert isinstance(facts.image_id, Missing)
    without = fact_commands(user="mpi", share="/share", image=None, mpich_prefix="/opt/mpich")
    assert parse_facts(dict.fromkeys(without, NOT_FOUND)).image_id is None
