"""Taking a host out of a lab that goes on: out of Mesos and the swarm first, then the rest.

The Mesos daemons are stand-ins, see `standin/standin_mesos/__init__.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_hosts import LabHosts
from small_image import NAME, put_small_image, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BUILD = Path(__file__).parent / "standin/build.py"
PLAYS = ("validate.yml", "ssh.yml", "docker.yml", "swarm.yml", "mesos.yml")
FETCH = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
request.data = sys.argv[3].encode() or None
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the inventory says of Mesos."""
    archive = tmp_path_factory.mktemp("archive") / "mesos.tar.gz"
    subprocess.run([sys.executable, BUILD, archive, "1.11.0"], check=True)
    return {
        "lab_image": "",
        "mesos_install": "archive",
        "mesos_archive": str(archive),
        "mesos_archive_sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "mesos_archive_packages": [],
    }


@pytest.fixture(scope="module")
def lab(lab_hosts: LabHosts, variables: dict[str, object]) -> Iterator[LabHosts]:
    """The hosts with swarm and Mesos, which are taken out again at the end."""
    lab_hosts.play(*PLAYS, **variables)
    yield lab_hosts
    lab_hosts.play("teardown.yml", "--tags", "swarm,mesos", **variables)


def _ask_master(hosts: LabHosts, path: str, body: object = None) -> str:
    secret = (hosts.directory / ".mrunkit/mesos-secret").read_text().strip()
    basic = "Basic " + base64.b64encode(f"mrunkit:{secret}".encode()).decode()
    url = f"http://{hosts.addresses['host0']}:5050{path}"
    data = "" if body is None else json.dumps(body)
    return hosts.on("host0", "python3", "-c", FETCH, url, basic, data)


def _listed(hosts: LabHosts) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(_ask_master(hosts, "/slaves"))["slaves"]
    return listed


def _agents(hosts: LabHosts) -> list[str]:
    return sorted(agent["hostname"] for agent in _listed(hosts))


def _nodes(hosts: LabHosts) -> list[str]:
    return sorted(hosts.on("host0", "docker", "node", "ls", "--format", "{{.Hostname}}").split())


@pytest.mark.parametrize("words", [("--limit", "host0"), ()], ids=["the master", "all hosts"])
def test_what_the_lab_needs_is_not_taken_out(
    lab: LabHosts, variables: dict[str, object], words: tuple[str, ...]
) -> None:
    """The message says why, and every host is as it was."""
    played = lab.play("remove-host.yml", *words, check=False, **variables)

    assert played.status != 0
    assert "the lab does not work without it" in " ".join(played.output.split())
    assert _agents(lab) == ["host1", "host2"]
    assert _nodes(lab) == ["host0", "host1", "host2"]


def test_a_host_leaves_and_comes_back(lab: LabHosts, variables: dict[str, object]) -> None:
    """Neither the master nor a manager knows it any more; a bootstrap takes it in again."""
    lab.play("remove-host.yml", "--limit", "host2", **variables)
    agents, nodes = _agents(lab), _nodes(lab)
    left = lab.present("host2", "/etc/mesos", "/etc/docker/daemon.json")
    lab.play(*PLAYS, **variables)

    assert agents == ["host1"]
    assert nodes == ["host0", "host1"]
    assert left == []
    assert _agents(lab) == ["host1", "host2"]
    assert _nodes(lab) == ["host0", "host1", "host2"]


def test_tasks_may_end_before_their_host_leaves(
    lab: LabHosts, variables: dict[str, object]
) -> None:
    """Mesos is told to end what is left once nothing runs there, and how long that may take."""
    busy = "/var/lib/mesos/agent/standin-used"
    lab.on("host2", "sh", "-c", f"echo 1 > {busy}")
    lab.docker("exec", "-d", lab.containers["host2"], "sh", "-c", f"sleep 20; rm -f {busy}")
    lab.play("remove-host.yml", "--limit", "host2", drain_grace=7, **variables)
    journal = lab.on("host0", "journalctl", "--merge", "--unit=mesos-master", "--output=cat")
    lab.play(*PLAYS, **variables)

    drained = [line for line in journal.splitlines() if line.startswith("Draining host2")]
    assert drained[-1] == "Draining host2, 0 cpus used, 7 s"


def test_a_removal_that_was_cut_off_is_made_up_for(
    lab: LabHosts, variables: dict[str, object]
) -> None:
    """An agent that is deactivated already is drained all the same; its tasks have their time."""
    listed = {agent["hostname"]: agent["id"] for agent in _listed(lab)}
    agent = {"agent_id": {"value": listed["host2"]}}
    _ask_master(lab, "/api/v1", {"type": "DEACTIVATE_AGENT", "deactivate_agent": agent})
    lab.play("remove-host.yml", "--limit", "host2", drain_grace=8, **variables)
    journal = lab.on("host0", "journalctl", "--merge", "--unit=mesos-master", "--output=cat")
    lab.play(*PLAYS, **variables)

    drained = [line for line in journal.splitlines() if line.startswith("Draining host2")]
    assert drained[-1] == "Draining host2, 0 cpus used, 8 s"


def test_containers_of_the_agent_end_with_it(
    lab: LabHosts, variables: dict[str, object], tmp_path: Path
) -> None:
    """Whoever's tasks they are; a container that is only called like one of them stays."""
    put_small_image(lab, save_small_image(lab.docker, tmp_path), "host2")
    sandbox = "--volume=/var/lib/mesos/agent/slaves/S0/runs/R0:/mnt/mesos/sandbox"
    lab.on("host2", "docker", "create", "--name=mesos-R0", sandbox, NAME, "sleep", "9")
    lab.on("host2", "docker", "create", "--name=mesos-dns", NAME, "sleep", "9")
    lab.play("teardown.yml", "--limit", "host2", "--tags", "mesos", **variables)
    left = lab.on("host2", "docker", "ps", "--all", "--format", "{{.Names}}").split()
    lab.on("host2", "docker", "rm", "--force", "mesos-dns")
    lab.play(*PLAYS, **variables)

    assert "mesos-dns" in left
    assert "mesos-R0" not in left


def test_a_host_that_is_gone_is_taken_out(
    lab: LabHosts, variables: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be reached: the master and the managers forget it all the same."""
    # No connection from before, over which ssh would wait for an answer.
    monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-o ControlMaster=no -o ConnectTimeout=10")
    lab.docker("pause", lab.containers["host2"])
    try:
        _wait_until_down(lab, "host2")
        played = lab.play("remove-host.yml", "--limit", "host2", check=False, **variables)
        agents, nodes = _agents(lab), _nodes(lab)
    finally:
        lab.docker("unpause", lab.containers["host2"])
        lab.play(*PLAYS, **variables)

    assert played.status != 0
    assert agents == ["host1"]
    assert nodes == ["host0", "host1"]
    assert _nodes(lab) == ["host0", "host1", "host2"]


def _wait_until_down(hosts: LabHosts, host: str) -> None:
    """Managers take a node for down when it has missed some heartbeats, of 5 s each."""
    state = f"docker node inspect -f '{{{{.Status.State}}}}' {host}"
    wait = f"until {state} | grep -q down; do sleep 1; done"
    hosts.on("host0", "timeout", "120", "sh", "-c", wait)
