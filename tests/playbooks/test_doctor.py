"""`mrunkit doctor` on container hosts: what is well is seen, and each fault by its own check.

Their kernel need have neither NFS nor ESP, and there is no Mesos here: the checks for these fail,
as they should, or the inventory does not ask for them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from container_hosts import LabHosts, inventory_text
from small_image import NAME, put_small_image, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PLAYS = ("validate.yml", "base.yml", "ssh.yml", "docker.yml", "swarm.yml")
PATIENCE = 60.0
OF_CONTAINERS = "overlay,encryption,mtu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What doctor said."""

    status: int
    outcomes: dict[str, str]
    seen: dict[str, str]
    """All that was seen of a check that fails or passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Runs doctor on hosts, with an inventory of its own."""

    hosts: LabHosts

    def inventory(self, *variables: str) -> Path:
        """The hosts' inventory, with these variables too."""
        path = self.hosts.directory / "doctor.ini"
        lines = (f"lab_image={NAME}", "lab_mesos_authentication=false", *variables)
        path.write_text(inventory_text(self.hosts) + "".join(f"{line}\n" for line in lines))
        return path

    def command(self, *words: str, inventory: Path) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "mrunkit", "doctor", str(inventory), *words]

    def __call__(self, *words: str, variables: tuple[str, ...]) -> Examined:
        """Run it to its end."""
        done = subprocess.run(
            self.command("--json", *words, inventory=self.inventory(*variables)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        outcomes: dict[str, str] = {}
        seen: dict[str, str] = {}
        for verdict in json.loads(done.stdout):
            assert (verdict["remedy"] is not None) == (verdict["outcome"] == "fail")
            outcomes[verdict["check"]] = verdict["outcome"]
            seen[verdict["check"]] = seen.get(verdict["check"], "") + verdict["seen"] + "\n"
        return Examined(status=done.returncode, outcomes=outcomes, seen=seen)

    def left(self) -> list[str]:
        """What of a doctor is on the hosts."""
        look = "docker ps -aq -f label=mrunkit.doctor; ls -A /share 2>/dev/null | grep mrunkit-doc"
        found = [
            self.hosts.on(host, "sh", "-c", look, check=False) for host in self.hosts.containers
        ]
        return "".join(found).split()


PLAIN = ("lab_network_is_encrypted=false",)


@pytest.fixture(scope="module")
def doctor(lab_hosts: LabHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    """Hosts with ssh among them, one swarm, an image and a network without encryption."""
    lab_hosts.play(*PLAYS)
    archive = save_small_image(lab_hosts.docker, tmp_path_factory.mktemp("image"))
    put_small_image(lab_hosts, archive, *lab_hosts.containers)
    yield Doctor(hosts=lab_hosts)
    lab_hosts.play("teardown.yml", "--tags", "swarm")


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_what_is_well_passes_and_what_is_missing_fails(doctor: Doctor) -> None:
    """No Mesos, and no share: each by the checks that need it, and by no other."""
    examined = doctor("--skip", "mpi,disk", variables=PLAIN)
    assert examined.outcomes == {
        "login": "pass",
        "clocks": "pass",
        "disk": "skip",
        "nofile": "pass",
        "versions": "fail",
        "ssh": "pass",
        "share": "fail",
        "swarm": "pass",
        "image": "pass",
        "overlay": "pass",
        "encryption": "skip",
        "mtu": "pass",
        "agents": "fail",
        "mpi": "skip",
    }, examined.seen
    assert examined.status == 1
    assert doctor.left() == []


def test_the_status_is_0_when_all_that_was_asked_for_holds(doctor: Doctor) -> None:
    """What was not asked for is skipped."""
    examined = doctor("--only", "ssh,swarm,image,overlay,mtu", variables=PLAIN)
    assert examined.status == 0, examined.seen
    assert examined.outcomes["agents"] == "skip"


def test_a_network_that_should_be_encrypted_and_is_not_is_caught(doctor: Doctor) -> None:
    """Its packets were read on the wire."""
    examined = doctor("--only", OF_CONTAINERS, variables=())
    assert {name: examined.outcomes[name] for name in OF_CONTAINERS.split(",")} == {
        "overlay": "pass",
        "encryption": "fail",
        "mtu": "pass",
    }
    assert "mpi-network was created without encryption: " in examined.seen["encryption"]
    assert ": 0 packets" not in examined.seen["encryption"]


def test_one_host_with_faults_is_named_by_each_check(doctor: Doctor) -> None:
    """Its image is another's, its node drained, its known hosts gone."""
    hosts = doctor.hosts
    hosts.on("host0", "docker", "node", "update", "--availability", "drain", "host2")
    hosts.on("host2", "docker", "image", "rm", NAME)
    hosts.on("host2", "mv", "/etc/ssh/ssh_known_hosts", "/etc/ssh/away")
    try:
        examined = doctor("--only", "ssh,swarm,image,overlay,mtu", variables=PLAIN)
    finally:
        hosts.on("host2", "mv", "/etc/ssh/away", "/etc/ssh/ssh_known_hosts")
        hosts.on("host2", "docker", "load", "-i", "/var/tmp/small.tar")
        hosts.on("host0", "docker", "node", "update", "--availability", "active", "host2")
    assert (examined.status, examined.seen["swarm"]) == (1, "host2: its node is set to Drain\n")
    assert examined.seen["image"] == f"host2: no image {NAME}\n"
    assert examined.seen["ssh"] == (
        "host2: root cannot log in to host0: its host key is not known, or another one\n"
        "host2: root cannot log in to host1: its host key is not known, or another one\n"
    )
    assert examined.seen["overlay"] == f"host2: no container starts: No such image: {NAME}.\n"
    assert examined.seen["mtu"] == "host2: cannot be seen: no container\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_doctor_that_was_stopped(
    doctor: Doctor, number: signal.Signals
) -> None:
    """Ctrl-C or kill -9, while its containers run."""
    command = doctor.command("--only", OF_CONTAINERS, inventory=doctor.inventory(*PLAIN))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    until(lambda: bool(doctor.left()) or process.poll() is not None, "a container")
    assert process.poll() is None, "doctor ended before it was stopped"
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    until(lambda: not doctor.left(), "nothing left")
