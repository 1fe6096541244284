"""From bare hosts to a proven lab, with reboots and a cut-off run.

Once with containers, which are quick, and once with QEMU guests, which have kernels of their own:
NFS and the overlay's encryption are real there, and nothing is simulated but Mesos (see
whole_lab.py). MPI jobs run in the lab of containers, and with a real Mesos on the guests as well;
without KVM it takes them long to get the image, and mrunkit itself.

The tests go on from one another, in the order of this file; guests without KVM take minutes for
each.
"""

from __future__ import annotations

import ipaddress
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from docker_fixtures import DebianImages
from whole_lab import (
    HOSTS,
    IS_MESOS_REAL,
    MRUNKIT,
    OF_CONTAINERS,
    REPOSITORY,
    Lab,
    describe,
    made_lab,
    mirror,
    mpich_source,
    wheels,
)

HELLO = (REPOSITORY / "examples/hello_world.c").read_text()

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

BACKENDS = [
    "bookworm",
    *(pytest.param(suite, marks=pytest.mark.long) for suite in ("trixie", "jammy", "noble")),
    pytest.param("qemu", marks=pytest.mark.qemu),
]
"""Containers of Debian 12 and 13, and of Ubuntu 22.04 and 24.04; guests of Debian 12."""

BOOTED = "systemctl show --property UserspaceTimestampMonotonic --value"
"""When a host booted; containers have the boot id of this machine."""

ANY_DOCKER = {"mesos_package": "aventer-mesos", "docker_max_major": ""}
"""Hosts whose Docker Apache Mesos does not work with."""
OF_SUITE: dict[str, dict[str, object]] = {
    "bookworm": {},
    "trixie": ANY_DOCKER,
    "jammy": ANY_DOCKER,
    "noble": ANY_DOCKER,
}
PYTHON_OF_SUITE = {"trixie": "3.13", "jammy": "3.11", "noble": "3.12"}


@pytest.fixture(scope="module", params=BACKENDS)
def lab(
    request: pytest.FixtureRequest, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """Three hosts that have the packages, and nothing else of a lab."""
    directory = tmp_path_factory.mktemp("whole")
    if request.param == "qemu" and not IS_MESOS_REAL:
        # Three guests without KVM are a fifth faster than with two processors each.
        with made_lab(directory, "qemu", "--cpus", "1") as made:
            describe(made, image, directory, {"client_install": False})
            yield made
        return
    images: DebianImages = request.getfixturevalue("debian_images")
    if request.param == "qemu":
        # Agents of Apache Mesos want cgroup v1.
        with made_lab(directory, "qemu", "--cpus", "1", "--cgroups", "1") as made:
            describe(made, images.runtime, directory, wheels(directory / "wheels"))
            yield made
        return
    suite = request.param
    brought = wheels(directory / "wheels", python=PYTHON_OF_SUITE.get(suite, ""))
    mpich = mpich_source() if suite == "noble" else {}
    with made_lab(directory, "docker", "--suite", suite, *mirror(suite)) as made:
        more = {**OF_CONTAINERS, **OF_SUITE[suite], **mpich, **brought}
        describe(made, images.runtime, directory, more)
        yield made


def _changed(log: str) -> dict[str, int]:
    recap = log.partition("PLAY RECAP")[2]
    return {
        host: int(count)
        for host, count in re.findall(r"^(\S+)\s+: .*\bchanged=(\d+)", recap, re.MULTILINE)
    }


def test_check_leaves_bare_hosts_as_they_are(lab: Lab) -> None:
    """It tells what would be changed on all of them."""
    changed = _changed(lab.bootstrap("--check"))
    assert set(changed) == set(HOSTS)
    assert all(changed.values())
    marks = "ls -d /var/lib/mrunkit /etc/mesos /opt/mpich; grep -l mrunkit /etc/hosts /etc/fstab"
    for host in HOSTS:
        assert lab.on(host, f"{{ {marks}; }} 2> /dev/null; true") == ""


def test_goes_on_after_a_run_that_was_cut_off(lab: Lab) -> None:
    """A bootstrap that is interrupted half way leaves hosts that the next one makes a lab of."""
    told = []
    with subprocess.Popen(
        [MRUNKIT, "bootstrap", "--no-doctor", lab.inventory],
        env=lab.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            told.append(line)
            if re.search(r"\bnfs\b", line):  # done: mpich and docker are under way or next
                child.send_signal(signal.SIGINT)
                break
        told += child.stderr.readlines()
    assert child.returncode == 130, "".join(told)
    assert lab.on("host1", "docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive"

    assert set(_changed(lab.bootstrap())) == set(HOSTS)
    assert lab.on("host1", "docker info --format '{{.Swarm.LocalNodeState}}'") == "active"


def test_second_run_changes_nothing(lab: Lab) -> None:
    """All tasks find what they would have made; then doctor looks, where it can run its job."""
    without = () if lab.runs_jobs else ("--no-doctor",)
    done = lab.mrunkit("bootstrap", *without, str(lab.inventory))
    assert done.returncode == 0, done.stdout + done.stderr + lab.log()
    assert _changed(lab.log()) == dict.fromkeys(HOSTS, 0), lab.log()
    assert bool(re.search(r"^pass +mpi ", done.stdout, re.MULTILINE)) == lab.runs_jobs


def test_check_finds_nothing_to_change_in_a_finished_lab(lab: Lab) -> None:
    """Though it can try nothing out."""
    log = lab.bootstrap("--check")
    assert _changed(log) == dict.fromkeys(HOSTS, 0), log


def test_a_host_is_taken_out_and_comes_back_as_a_new_one(lab: Lab) -> None:
    """The others forget it, and learn of it again although they are left out."""
    if lab.backend == "qemu":
        pytest.skip("of guests without KVM this takes half an hour")
    removed = lab.mrunkit("teardown", "--yes", "--limit", "host2", str(lab.inventory))
    assert removed.returncode == 0, removed.stdout + removed.stderr
    whole = lab.inventory.read_text()
    without = re.sub(r"^host2\b.*\n", "", whole, flags=re.MULTILINE)
    assert without != whole
    knows_it = "grep -c host2 /etc/ssh/ssh_known_hosts || true"
    lab.inventory.write_text(without)
    try:
        lab.bootstrap()
        assert lab.on("host1", knows_it) == "0"
    finally:
        lab.inventory.write_text(whole)

    assert lab.bootstrap("--check", "--limit", "host2").count("host2 ") > 0
    done = lab.mrunkit("bootstrap", "--limit", "host2", str(lab.inventory))
    assert done.returncode == 0, done.stdout + done.stderr + lab.log()
    assert set(_changed(lab.log())) == {"host2"}
    assert lab.on("host1", knows_it) != "0"


def test_share_is_exported_to_the_labs_hosts_alone(lab: Lab) -> None:
    """Over NFS version 4, to networks that have no other addresses; root there is nobody."""
    if lab.backend != "qemu":
        pytest.skip("containers have no NFS: their share is a volume")
    exported = lab.on("host0", "exportfs -v").split()
    clients = [word for word in exported if "(" in word]
    networks = [ipaddress.ip_network(client.partition("(")[0]) for client in clients]
    assert {str(address) for network in networks for address in network} == {
        lab.on("host0", f"getent ahostsv4 {host}").split()[0] for host in HOSTS
    }
    assert all("root_squash" in client and "no_root" not in client for client in clients)
    assert lab.on("host1", "ls /share; findmnt --noheadings --types nfs4 /share")


def test_doctor_finds_all_in_order(lab: Lab) -> None:
    """The share across hosts and, where there is any, ESP on the wire are seen."""
    skipped = () if lab.runs_jobs else ("--skip", "mpi")
    done = lab.mrunkit("doctor", *skipped, str(lab.inventory))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.findall(r"^pass\s+(\w+)", done.stdout, re.MULTILINE)
    wanted = {"ssh", "share", "swarm", "overlay", "mtu", "agents"}
    if lab.backend == "qemu":
        wanted |= {"encryption"}
    if lab.runs_jobs:
        wanted |= {"mpi"}
    assert wanted <= set(passed)


@pytest.mark.parametrize("where", [(), ("--no-image",)], ids=["containers", "hosts"])
def test_people_start_jobs_on_the_master(lab: Lab, where: tuple[str, ...]) -> None:
    """With the one line that bootstrap ends with; they leave nothing behind."""
    if not lab.runs_jobs:
        pytest.skip("without a real Mesos, guests get neither the image nor mrunkit")
    # The hosts' own MPICH may be another than the packages', which the image has as well.
    compiler = "/opt/mpich/bin/mpicc" if where else "mpicc"
    lab.on("host0", f"{compiler} -x c -o /share/hello -", stdin=HELLO)
    line = ["mrunkit", "run", "-i", "/etc/mrunkit/lab.yml", *where, "-N", "2", "-n", "4"]
    # MPICH 4.0.2, which the hosts have, does not always get out of MPI_Finalize.
    line += ["--time-limit", "30"]
    told = lab.on(
        "host0", f"cd /share; {' '.join(line)} ./hello; case $? in 0 | 124) ;; *) false ;; esac"
    )
    ranks = dict(re.findall(r"My rank= (\d) Running on (\S+)", told))
    assert (sorted(ranks), set(ranks.values())) == (list("0123"), {"host1", "host2"})
    for host in HOSTS:
        assert lab.on(host, "docker ps --all --quiet; pgrep hydra; true") == ""


def test_a_machine_outside_is_told_where_to_start_jobs(lab: Lab) -> None:
    """It has no share to stage a program on."""
    done = lab.mrunkit("run", "-i", str(lab.inventory), "-N", "2", "true")
    assert done.returncode == 125
    assert "log in on host0" in done.stderr


@pytest.mark.parametrize("host", ["host2", "host0"])
def test_share_is_back_after_a_reboot(lab: Lab, host: str) -> None:
    """Whichever side of the share reboots, files written before are read on all hosts after it."""
    text = f"before the reboot of {host}"
    lab.on("host1", f"echo {text} > /share/{host}.txt")
    before = lab.on(host, BOOTED)
    lab.on(host, "systemctl reboot", check=False)
    _wait_for_reboot(lab, host, before)
    for reader in HOSTS:
        assert lab.on(reader, f"timeout 300 cat /share/{host}.txt") == text


def _wait_for_reboot(lab: Lab, host: str, before: str) -> None:
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        # ssh itself waits for a connection, so this loop does not spin.
        now = lab.on(
            host,
            f"{BOOTED} && systemctl is-system-running --wait",
            check=False,
        )
        if now and before not in now:
            return
        time.sleep(2)
    pytest.fail(f"{host} did not come back")


def test_teardown_leaves_only_the_share(lab: Lab) -> None:
    """Swarm, daemons, mounts and keys go; what people wrote into /share stays."""
    done = lab.mrunkit("teardown", "--yes", str(lab.inventory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.on("host1", "docker info --format '{{.Swarm.LocalNodeState}}'", check=False) in (
        "",
        "inactive",
    )
    assert lab.on("host1", "findmnt --noheadings --types nfs4 || true") == ""
    assert lab.on("host1", "systemctl is-active mesos-agent", check=False) != "active"
    assert lab.on("host0", "ls -d /opt/mrunkit /etc/mrunkit; command -v mrunkit", check=False) == ""
    assert lab.on("host0", "cat /share/host0.txt") == "before the reboot of host0"
    if lab.backend == "docker":  # a volume, which bootstrap did not mount
        assert lab.on("host1", "cat /share/host0.txt") == "before the reboot of host0"
