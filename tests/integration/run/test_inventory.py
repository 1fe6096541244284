"""`mrunkit run -i INVENTORY`: a lab's inventory instead of MASTER."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from client import HELLO, Mrunkit
from served import Served

from mrunkit.provision.doctor.hosts import Hosts
from mrunkit.provision.doctor.mpi_check import check_mpi
from mrunkit.provision.doctor.verdicts import Outcome
from mrunkit.provision.lab import read_lab

PLAIN = "lab_image=\nlab_mesos_authentication=false"


@pytest.fixture
def inventory(mrunkit: Mrunkit) -> Callable[..., Path]:
    """Write the inventory of a lab whose master is at a port of this machine."""

    def write(port: int, *variables: str) -> Path:
        path = mrunkit.work / "inventory.ini"
        lines = (
            "[masters]",
            "head ansible_host=127.0.0.1 lab_address=127.0.0.1",
            "[agents]",
            "host[1:4]",
            "[all:vars]",
            f"lab_master_port={port}",
            *variables,
        )
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


def test_a_job_needs_no_more_than_the_inventory(
    mrunkit: Mrunkit, cluster: Served, inventory: Callable[..., Path]
) -> None:
    """The same as with MASTER; options end at PROGRAM, and what follows is the program's."""
    words = ("-q", "-N", "2", "-n", "3", "printf", "%s ", "-N", "7")
    path = inventory(cluster.port, PLAIN)
    ended = mrunkit.run("-i", str(path), *words)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "-N 7 " * 3, "")


def test_the_record_has_the_master_that_the_inventory_tells(
    mrunkit: Mrunkit, cluster: Served, inventory: Callable[..., Path]
) -> None:
    """As if it had been typed."""
    path = inventory(cluster.port, PLAIN)
    assert mrunkit.run("-q", "-i", str(path), HELLO).status == 0
    (record,) = mrunkit.records()
    assert record["master"] == f"127.0.0.1:{cluster.port}"


def test_the_secret_is_the_one_that_bootstrap_made(
    mrunkit: Mrunkit, cluster: Served, inventory: Callable[..., Path]
) -> None:
    """Beside the inventory; without it, what to do is said before anything is contacted."""
    path = inventory(cluster.port, "lab_image=")
    ended = mrunkit.run("-i", str(path), HELLO)
    assert (ended.status, ended.stderr.splitlines()[0]) == (
        125,
        "mrunkit: the lab's Mesos wants to know who we are, and there is no "
        f"{path.parent}/.mrunkit/mesos-secret",
    )
    (path.parent / ".mrunkit").mkdir()
    (path.parent / ".mrunkit" / "mesos-secret").write_text("s3cret")
    assert mrunkit.run("-q", "-i", str(path), HELLO).status == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("host0:5050", "hello"), 2, "MASTER host0:5050 and --inventory exclude each other"),
        (("--image", "x", "--no-image", "hello"), 2, "--image and --no-image exclude each other"),
        (("-i", "nowhere.ini", "hello"), 125, "there is no inventory nowhere.ini"),
    ],
)
def test_what_makes_no_sense_with_an_inventory_is_refused(
    mrunkit: Mrunkit,
    inventory: Callable[..., Path],
    words: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    """With a message of its own; the last -i counts."""
    ended = mrunkit.run("-i", str(inventory(1, PLAIN)), *words)
    assert (ended.status, ended.stderr.splitlines()[0]) == (status, f"mrunkit: {said}")


def test_no_image_is_of_no_use_without_an_inventory(mrunkit: Mrunkit) -> None:
    """Nothing else would put the job into containers."""
    ended = mrunkit.run("--no-image", "local", HELLO)
    assert (ended.status, ended.stderr) == (2, "mrunkit: --no-image goes with --inventory\n")


@pytest.mark.skipif(os.getuid() != 0, reason="doctor asks hosts as root")
@pytest.mark.parametrize(
    ("agents", "over", "outcome", "seen"),
    [
        (4, 4, Outcome.PASS, "8 ranks on 4 nodes met"),
        (3, 3, Outcome.PASS, "6 ranks on 3 nodes met, over 3 of 4 agents"),
        (3, 4, Outcome.FAIL, "status 125: -N 4 needs 4 agents, and the cluster has 3"),
    ],
)
def test_doctors_job_proves_a_lab(
    mrunkit: Mrunkit,
    serve: Callable[..., Served],
    inventory: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    agents: int,
    over: int,
    outcome: Outcome,
    seen: str,
) -> None:
    """Compiled into the share, which is left as it was; all agents that it is over are in it."""
    monkeypatch.setenv("MRUNKIT_STATE_DIR", str(mrunkit.state_dir))
    monkeypatch.setenv("TMPDIR", str(mrunkit.tmp))
    share = mrunkit.work / "share"
    share.mkdir()
    here = (
        "ansible_connection=local",
        f"lab_share={share}",
        f"mpich_prefix={Path(sys.executable).parents[1]}",
        f"client_bin={mrunkit.work}",  # no mrunkit is there, so the job starts from here
    )
    lab = read_lab(inventory(serve(agents=agents).port, PLAIN, *here))
    with Hosts(host.ssh for host in lab.hosts) as hosts:
        (verdict,) = check_mpi(hosts, lab, lab.agents[:over], run="r1", user=lambda _: "")
    assert (verdict.outcome, verdict.seen) == (outcome, seen)
    assert ("puts mrunkit on head" in (verdict.remedy or "")) == (outcome is Outcome.FAIL)
    assert list(share.iterdir()) == []
