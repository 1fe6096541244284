"""`mrunkit run -i INVENTORY`: a lab's inventory instead of MASTER."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from client import HELLO, Mrunkit
from served import Served

from mrunkit.provision.doctor.mpi_job import (
    Job,
    compile_command,
    job_problems,
    job_seen,
    job_words,
    read_source,
    run_job,
)

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


@pytest.fixture
def hello(mrunkit: Mrunkit) -> Path:
    """Doctor's program, compiled as doctor does where a lab has no image."""
    program = mrunkit.work / "hello"
    command = compile_command(
        read_source(), str(program), mpich_prefix=str(Path(sys.executable).parents[1]), user=""
    )
    subprocess.run(command.words, check=True)
    return program


@pytest.mark.parametrize(("agents", "said"), [(4, "8 ranks on 4 nodes met"), (3, None)])
def test_doctors_job_proves_a_lab(
    mrunkit: Mrunkit,
    serve: Callable[..., Served],
    inventory: Callable[..., Path],
    hello: Path,
    monkeypatch: pytest.MonkeyPatch,
    agents: int,
    said: str | None,
) -> None:
    """All four agents are in it; a lab that has fewer is told from one that works."""
    monkeypatch.setenv("MRUNKIT_STATE_DIR", str(mrunkit.state_dir))
    monkeypatch.setenv("TMPDIR", str(mrunkit.tmp))
    path = inventory(serve(agents=agents).port, PLAIN)
    job = Job(agents=4, program=str(hello), is_in_image=False, seconds=20)
    ended = run_job(job_words(job, path), longest=job.longest)
    problems = list(job_problems(ended, job, head="head", is_at_head=False))
    if said is not None:
        assert (problems, job_seen(ended)) == ([], said), ended
    else:
        assert problems[0].what.startswith("status 125: "), ended
        assert "puts mrunkit on head" in problems[0].remedy
