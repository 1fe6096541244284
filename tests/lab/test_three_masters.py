"""A lab with three masters and ZooKeeper: the one that leads may go, and another takes over."""

from __future__ import annotations

import http.client
import re
import subprocess
from collections.abc import Iterator

import pytest
from docker_fixtures import DebianImages
from laboratory import until
from whole_lab import HOSTS, MRUNKIT, OF_CONTAINERS, REPOSITORY, Lab, describe, made_lab, wheels

pytestmark = [pytest.mark.docker, pytest.mark.long, pytest.mark.timeout(1500)]

RUN = "cd /share; mrunkit run -i /etc/mrunkit/lab.yml -N 2 -n 4"


@pytest.fixture(scope="module")
def lab(debian_images: DebianImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three hosts that are all masters, two of them agents as well."""
    directory = tmp_path_factory.mktemp("three")
    with made_lab(directory, "docker", "--include", "zookeeper") as made:
        text = made.inventory.read_text()
        made.inventory.write_text(text.replace("\n\n[agents]", "\nhost1\nhost2\n\n[agents]"))
        brought = wheels(directory / "wheels")
        describe(made, debian_images.runtime, directory, {**OF_CONTAINERS, **brought})
        made.bootstrap()
        for program in ("hello_world", "forever"):
            source = (REPOSITORY / f"examples/{program}.c").read_text()
            made.on("host0", f"mpicc -x c -o /share/{program} -", stdin=source)
        yield made


def _leader(lab: Lab) -> str:
    """The host whose master leads, as some master tells."""
    addresses = {lab.on(host, "hostname -i").split()[0]: host for host in HOSTS}
    for address in addresses:
        connection = http.client.HTTPConnection(address, 5050, timeout=10)
        try:
            connection.request("GET", "/redirect")
            location = connection.getresponse().getheader("Location") or ""
        except OSError:
            continue
        finally:
            connection.close()
        if found := re.search(r"//([^:]+):", location):
            return addresses[found[1]]
    pytest.fail("no master leads")


def test_a_second_run_changes_nothing(lab: Lab) -> None:
    """ZooKeeper's tasks included."""
    recap = lab.bootstrap().partition("PLAY RECAP")[2]
    assert re.findall(r"\bchanged=(\d+)", recap) == ["0"] * len(HOSTS), recap


def test_doctor_finds_all_in_order(lab: Lab) -> None:
    """With an MPI job over all agents, by the master that leads."""
    done = lab.mrunkit("doctor", str(lab.inventory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^pass\s+mpi\s", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param("systemctl kill -s KILL mesos-master; systemctl stop mesos-master", id="kill"),
        pytest.param("systemctl reboot", id="reboot"),
    ],
)
def test_jobs_go_on_with_the_next_leader(lab: Lab, lose: str) -> None:
    """What ran ends with its master, in words, and leaves nothing; what comes next just runs."""
    leader = _leader(lab)
    client = next(host for host in HOSTS if host != leader)
    words = [MRUNKIT, "lab", "ssh", "--name", lab.name, client, f"{RUN} ./forever"]
    with subprocess.Popen(
        words,
        env=lab.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        for _ in range(4):
            assert "is pid" in job.stdout.readline()
        lab.on(leader, lose, check=False)
        _, said = job.communicate()
    assert (job.returncode, said.count("mrunkit: lost the master: ")) == (125, 1), said
    assert "pymesos" not in said

    told = lab.on(client, f"{RUN} ./hello_world")
    assert sorted(re.findall(r"My rank= (\d)", told)) == list("0123")
    until(lambda: lab.on(leader, "echo up", check=False) == "up", seconds=300)
    for host in HOSTS:
        assert lab.on(host, "docker ps --all --quiet; pgrep hydra; true") == ""
    lab.on(leader, "systemctl start mesos-master")
