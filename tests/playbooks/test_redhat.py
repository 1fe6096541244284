"""Rocky and Alma: their package manager, their names, units and paths, and their firewall.

Their packages cannot be had where these tests run. So the hosts are Debian 12, dressed as Rocky 9:
dnf, rpm, signatures, firewalld, systemd and all that runs are real, the RPMs are stand-ins; see
`redhat_image`. What only the real ones have is not tested here: SELinux, their kernel, their
older Python, and what is in their packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from connections import connects, served
from container_hosts import CONTAINER_SKIPS, Docker, LabHosts, Played
from redhat_image import ALMA_9, REPOSITORIES, ROCKY_8, ROCKY_9, System, make_image
from small_image import NAME, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BUILD = Path(__file__).parent / "standin/build.py"
BASICS = ("validate.yml", "base.yml", "ssh.yml", "mpich.yml", "docker.yml")
STEPS = (*BASICS, "swarm.yml", "mesos.yml")
DOCKER = ("validate.yml", "docker.yml")
MESOS = ("validate.yml", "base.yml", "mesos.yml")
QUERY = ("rpm", "-qa", "--qf", "%{NAME} %{VERSION}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class DressedHosts:
    """Hosts of a system, and what the inventory says of where their packages come from."""

    hosts: LabHosts
    variables: dict[str, object] = field(default_factory=dict)

    def play(self, *words: str, check: bool = True, **more: object) -> Played:
        """As that of the hosts."""
        return self.hosts.play(*words, check=check, **{**self.variables, **more})

    def packages(self, host: str) -> dict[str, str]:
        """What is installed, and its versions; of the keys, the last one's."""
        return dict(line.split() for line in self.hosts.on(host, *QUERY).splitlines())


Dress = Callable[..., "contextlib.AbstractContextManager[DressedHosts]"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for Mesos: as it is, or in an RPM."""
    path = tmp_path_factory.mktemp("mesos") / "mesos.tar.gz"
    subprocess.run([sys.executable, BUILD, path, "1.11.0"], check=True)
    return path


@pytest.fixture(scope="module")
def dress(
    start_hosts: Callable[..., LabHosts],
    docker: Docker,
    archive: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Dress:
    """Have hosts dressed as a system for a while, with Docker's and Mesos' repositories served."""

    @contextlib.contextmanager
    def start(system: System, count: int) -> Iterator[DressedHosts]:
        directory = tmp_path_factory.mktemp("redhat")
        tag = f"mrunkit-test/{system.id}:{uuid.uuid4().hex[:8]}"
        make_image(docker, directory / "context", system, archive, tag)
        try:
            hosts = start_hosts(count, image=tag)
            origin = f"{hosts.containers['host0']}:{REPOSITORIES}"
            docker("cp", origin, str(directory / "served"))
            gateway = hosts.addresses["host0"].rpartition(".")[0] + ".1"
            with served(directory / "served", gateway) as port:
                variables = _sources(directory / "served", f"http://{gateway}:{port}")
                yield DressedHosts(hosts=hosts, variables=variables)
        finally:
            users = docker("ps", "-aq", "--filter", f"ancestor={tag}").stdout.split()
            if users:
                docker("rm", "-f", "-v", *users)
            docker("image", "rm", tag)

    return start


def _sources(directory: Path, url: str) -> dict[str, object]:
    """What an inventory says of where packages come from."""
    keys = directory / "keys"
    return {
        "base_time_sync": True,
        "docker_repository_url": f"{url}/docker/$releasever/$basearch/stable",
        "docker_repository_key_url": f"{url}/keys/docker",
        "docker_repository_key_fingerprint": (keys / "docker.fingerprint").read_text().strip(),
        "mesos_repository": f"{url}/mesos",
        "mesos_repository_key": str(keys / "docker"),
    }


@pytest.fixture(scope="module")
def bare(dress: Dress) -> Iterator[DressedHosts]:
    """Three hosts as a minimal installation of Rocky 9 leaves them."""
    with dress(ROCKY_9, 3) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def rocky(bare: DressedHosts) -> DressedHosts:
    """The hosts once all ran, with a Docker that is not the newest."""
    before = bare.packages("host1")
    assert not {"docker-ce", "chrony", "mpich", "openssh-clients", "tar"} & set(before)
    checked = bare.play(*STEPS, "--check")
    assert min(checked.changed.values()) > 0
    assert bare.packages("host1") == before
    bare.play(*STEPS, docker_version="20.10")
    return bare


def test_a_second_run_changes_nothing(rocky: DressedHosts) -> None:
    """Nor does one with --check."""
    assert set(rocky.play(*STEPS, docker_version="20.10").changed.values()) == {0}
    checked = rocky.play(*STEPS, "--check", docker_version="20.10")
    assert set(checked.changed.values()) == {0}


def test_packages_go_by_the_names_of_the_system(rocky: DressedHosts) -> None:
    """From its repositories and Docker's, in the version that is asked for."""
    packages = rocky.packages("host1")
    assert packages.keys() >= {"chrony", "mpich-devel", "openssh-clients", "containerd.io"}
    assert packages.keys() >= {"python3-dnf-plugin-versionlock", "mesos", "cyrus-sasl-md5"}
    assert packages["docker-ce"] == packages["docker-ce-cli"] == "20.10.24"


def test_what_is_there_is_found_where_the_system_has_it(rocky: DressedHosts) -> None:
    """MPICH in its directory of its own, chrony under its unit's name, Mesos by its units."""
    seen = rocky.hosts.seen("host1")
    assert seen.file("/opt/mpich").linked_to == "/usr/lib64/mpich"
    path = rocky.hosts.on("host1", "bash", "-lc", "command -v mpiexec.hydra").strip()
    assert path == "/opt/mpich/bin/mpiexec.hydra"
    for unit in ("chronyd", "docker", "mesos-agent"):
        assert (seen.service(unit).is_running, seen.service(unit).is_enabled) == (True, True)
    assert not seen.service("mesos-slave").is_running
    wait = "until chronyc -n sources | grep -Fq '^* {}'; do sleep 1; done"
    address = rocky.hosts.addresses["host0"]
    rocky.hosts.on("host1", "timeout", "60", "sh", "-c", wait.format(address))


def test_firewalld_lets_the_lab_in_and_nobody_else(rocky: DressedHosts) -> None:
    """It runs on a fresh installation: hosts reach each other, and this machine only their sshd."""
    hosts = rocky.hosts
    listed = hosts.on("host1", "firewall-cmd", "--zone=mrunkit", "--list-all")
    outside = hosts.on("host1", "firewall-cmd", "--list-all")
    assert connects(hosts, "host0", "host1", 7777)
    assert "protocols: esp icmp tcp udp" in listed
    assert "7777" not in outside
    assert "services: dhcpv6-client ssh\n" in outside


def test_containers_reach_each_other_through_the_firewall(
    rocky: DressedHosts, tmp_path: Path
) -> None:
    """With an image that came from an archive, over the network of jobs."""
    image = {"lab_image": NAME, "image_source": "archive"}
    image["image_archive"] = str(save_small_image(rocky.hosts.docker, tmp_path))
    rocky.play("validate.yml", "image.yml", **image)
    again = rocky.play("validate.yml", "image.yml", **image)
    run = ("docker", "run", "--network", "mpi-network")
    rocky.hosts.on("host1", *run, "-d", "--name", "ring1", NAME, "sleep", "1000")
    printed = rocky.hosts.on("host2", *run, "--rm", NAME, "ping", "-c", "2", "ring1")
    rocky.hosts.on("host1", "docker", "rm", "-f", "ring1")

    assert set(again.changed.values()) == {0}
    assert "2 packets received" in printed


def test_the_share_is_exported_by_the_units_of_the_system(rocky: DressedHosts) -> None:
    """What the server is told is in its one file, and a second run changes nothing."""
    host0 = ("validate.yml", "nfs.yml", "--limit", "host0")
    checked = rocky.play(*host0, "--check")
    rocky.play(*host0)
    again = rocky.play(*host0)
    seen = rocky.hosts.seen("host0")

    assert checked.changed["host0"] > 0
    assert again.changed["host0"] == 0
    assert seen.file("/etc/nfs.conf").contains("^vers3=n")
    assert seen.service("nfs-server").is_running
    assert '"/share" ' in rocky.hosts.on("host0", "cat", "/run/exported")


def test_docker_is_replaced_when_it_is_asked_for_and_else_not(rocky: DressedHosts) -> None:
    """By a newer one or an older one, and an upgrade of the host leaves it alone."""
    refused = rocky.play(*DOCKER, check=False, docker_version="25.0")
    rocky.play(*DOCKER, docker_version="25.0", docker_upgrade=True)
    rocky.hosts.on("host1", "dnf", "-qy", "upgrade")
    upgraded = rocky.packages("host1")
    rocky.play(*DOCKER, docker_version="20.10", docker_upgrade=True)
    back = rocky.packages("host1")

    assert "docker_upgrade=true" in refused.output
    assert upgraded["docker-ce"] == upgraded["docker-ce-cli"] == "25.0.5"
    assert back["docker-ce"] == back["docker-ce-cli"] == "20.10.24"
    again = rocky.play(*DOCKER, docker_version="20.10")
    assert set(again.changed.values()) == {0}


def test_teardown_takes_out_what_came(rocky: DressedHosts) -> None:
    """Packages of Docker and Mesos, repositories and openings; what others may need stays."""
    rocky.play("teardown.yml")
    packages = rocky.packages("host1")
    seen = rocky.hosts.seen("host1")

    assert not {"containerd.io", "docker-ce", "docker-ce-cli", "mesos"} & packages.keys()
    assert packages.keys() >= {"chrony", "mpich", "openssh-clients"}
    # The system's own.
    assert len(rocky.hosts.on("host1", "rpm", "-q", "gpg-pubkey").split()) == 1
    assert seen.file("/etc/yum.repos.d").listdir() == ["rocky.repo"]
    assert not rocky.hosts.present("host1", "/opt/mpich", "/etc/mesos", "/var/lib/mrunkit")
    assert not seen.file("/etc/chrony.conf").contains("lab of mrunkit")
    assert not seen.file("/etc/dnf/plugins/versionlock.list").contains("docker")
    assert not connects(rocky.hosts, "host0", "host1", 7777)


def test_an_archive_is_unpacked_on_a_minimal_installation(
    rocky: DressedHosts, archive: Path
) -> None:
    """It has no tar; where SELinux is on, what is unpacked gets the labels that it wants."""
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    mesos = {"mesos_install": "archive", "mesos_archive": str(archive)}
    mesos["mesos_archive_sha256"] = sha256
    # Docker went with the teardown.
    mesos["mesos_agent_containerizers"] = "mesos"
    rocky.play(*MESOS, **mesos)
    again = rocky.play(*MESOS, **mesos)

    assert "tar" in rocky.packages("host1")
    labelled = rocky.hosts.on("host1", "cat", "/var/log/restorecon")
    assert labelled == f"Relabeled -R -v /opt/mesos/1.11.0-{sha256[:8]}\n"
    assert set(again.changed.values()) == {0}


@pytest.mark.parametrize("system", [ROCKY_8, ALMA_9], ids=lambda system: system.id)
def test_other_systems_of_the_family(dress: Dress, system: System) -> None:
    """Their facts lead to the same ways; of their releases each has its own repository."""
    # This machine's ansible-core need not be one for the Python of 8, which these hosts have not.
    skips = {"validate_skip": [*CONTAINER_SKIPS, "python"]}
    with dress(system, 2) as dressed:
        dressed.play(*BASICS, **skips)
        again = dressed.play(*BASICS, **skips)
        packages = dressed.packages("host1")

    assert set(again.changed.values()) == {0}
    assert packages["docker-ce"] == "25.0.5"
