"""A lab of containers: up, used, rebooted, stopped, cut off and down, on a real engine."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_fixtures import Run
from laboratory import Laboratory, until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

UP = ("lab", "up", "--ready")


@pytest.fixture(scope="module")
def lab(docker: Run, laboratory: Laboratory) -> Iterator[Laboratory]:
    """Two hosts, which tests may restart."""
    del docker
    laboratory.mrunkit(*UP, "--name", laboratory.name, "--hosts", "2")
    yield laboratory
    laboratory.mrunkit("lab", "down", "--name", laboratory.name, check=False)


@pytest.fixture
def elsewhere(docker: Run, tmp_path: Path) -> Iterator[Laboratory]:
    """A place for a lab that does not stay."""
    del docker
    made = Laboratory(tmp_path)
    yield made
    for name in made.names():
        made.mrunkit("lab", "down", "--name", name)


def belongings(docker: Run, name: str) -> list[str]:
    """All that the engine has of a lab."""
    of_lab = ("--filter", f"label=mrunkit.lab.name={name}", "-q")
    found = [docker("ps", "-a", *of_lab), docker("network", "ls", *of_lab)]
    found.append(docker("volume", "ls", *of_lab))
    return [line for done in found for line in done.stdout.split()]


def test_hosts_have_systemd_and_names_and_are_told_apart(lab: Laboratory) -> None:
    """What a playbook takes for granted."""
    assert [host["state"] for host in lab.listed()["hosts"]] == ["running", "running"]
    assert lab.ssh("host1", "hostname") == "host1"
    assert lab.ssh("host0", "cat /proc/1/comm") == "systemd"
    assert lab.ssh("host0", "ping -c 1 -W 5 host1 >/dev/null && echo reached") == "reached"
    own = ("cat", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")
    assert len({lab.ssh(host, *own) for host in ("host0", "host1")}) == 2


def test_ansible_reaches_them_by_the_inventory(lab: Laboratory) -> None:
    """Without a question about host keys."""
    ansible = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [ansible, "--inventory", lab.listed()["inventory"], "all", "-m", "ansible.builtin.ping"],
        env=lab.environ(ANSIBLE_HOST_KEY_CHECKING="True"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("SUCCESS") == 2, done.stdout + done.stderr


def test_docker_runs_in_a_host_on_a_file_system_that_it_can_use(lab: Laboratory) -> None:
    """Else it would copy every layer of every image."""
    driver = "docker info --format '{{.Driver}}'"
    assert lab.ssh("host0", "systemctl start docker &&", driver) == "overlay2"


def test_a_second_up_says_that_it_is_up(lab: Laboratory) -> None:
    """And does nothing."""
    done = lab.mrunkit(*UP, "--name", lab.name)
    assert done.stdout.startswith(f"lab {lab.name} is up already: host0 host1\n")


def test_a_lab_of_another_size_is_refused(lab: Laboratory) -> None:
    """With what to do."""
    done = lab.mrunkit(*UP, "--name", lab.name, "--hosts", "3", check=False)
    assert done.returncode == 2
    assert "is there already, with 2 hosts" in done.stderr


def test_the_status_of_a_command_is_that_of_ssh(lab: Laboratory) -> None:
    """As scripts need it."""
    done = lab.mrunkit("lab", "ssh", "--name", lab.name, "host0", "exit 7", check=False)
    assert done.returncode == 7


def test_a_host_that_is_not_there_is_named_with_those_that_are(lab: Laboratory) -> None:
    """A usage error."""
    done = lab.mrunkit("lab", "ssh", "--name", lab.name, "host9", "true", check=False)
    assert (done.returncode, "it has: host0, host1" in done.stderr) == (2, True)


def test_a_host_can_be_rebooted_from_inside(lab: Laboratory) -> None:
    """It comes back at its address, with its files."""
    lab.ssh("host1", "touch /root/kept /run/lost; systemctl reboot", check=False)
    is_back = "test ! -e /run/lost && echo back"
    until(lambda: lab.ssh("host1", is_back, check=False) == "back", seconds=120)
    assert lab.ssh("host1", "ls /root/kept") == "/root/kept"


def test_up_starts_a_host_that_was_stopped(lab: Laboratory, docker: Run) -> None:
    """As all are when this machine has been restarted."""
    docker("stop", "--time", "20", f"mrunkit-lab-{lab.name}-host1")
    assert lab.listed()["state"] == "partly running"
    done = lab.mrunkit(*UP, "--name", lab.name)
    assert done.stdout.startswith(f"lab {lab.name} is up: ")
    assert lab.listed()["state"] == "running"


def test_an_engine_that_does_not_answer_makes_states_unknown(lab: Laboratory) -> None:
    """The lab is listed all the same."""
    done = lab.mrunkit("lab", "ls", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert [line.split()[3] for line in done.stdout.splitlines()[1:]] == ["unknown", "unknown"]
    assert done.stderr.count("Docker does not run") == 1


def test_down_leaves_nothing(elsewhere: Laboratory, docker: Run) -> None:
    """No container, network, volume nor file."""
    elsewhere.mrunkit(*UP, "--name", elsewhere.name, "--hosts", "1")
    assert len(belongings(docker, elsewhere.name)) == 4
    elsewhere.mrunkit("lab", "down", "--name", elsewhere.name)
    assert (belongings(docker, elsewhere.name), elsewhere.files()) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_up_that_is_ended_leaves_nothing(
    elsewhere: Laboratory, docker: Run, number: signal.Signals
) -> None:
    """Ctrl-C, and what a supervisor sends."""
    with elsewhere.start(*UP, "--name", elsewhere.name, "--hosts", "2") as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "host1: starting" in line)
        running.send_signal(number)
        running.stderr.read()
    assert running.returncode == 128 + number
    assert (belongings(docker, elsewhere.name), elsewhere.files()) == ([], [])


def test_what_a_killed_up_left_is_taken_down(elsewhere: Laboratory, docker: Run) -> None:
    """It is listed as incomplete, and `down` knows all of it."""
    with elsewhere.start(*UP, "--name", elsewhere.name, "--hosts", "2") as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "host1: starting" in line)
        running.kill()
        running.stderr.read()
    assert elsewhere.listed()["state"] == "incomplete"
    assert len(belongings(docker, elsewhere.name)) == 6
    elsewhere.mrunkit("lab", "down", "--name", elsewhere.name)
    assert (belongings(docker, elsewhere.name), elsewhere.files()) == ([], [])


def test_a_lab_of_another_account_is_not_touched(elsewhere: Laboratory, lab: Laboratory) -> None:
    """Names of containers are the engine's, not the account's."""
    done = elsewhere.mrunkit(*UP, "--name", lab.name, check=False)
    assert "has a lab" in done.stderr
    assert elsewhere.files() == []
    assert lab.listed()["state"] == "running"
