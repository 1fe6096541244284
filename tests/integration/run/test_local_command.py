"""`mrunkit local`: a cluster in the foreground, for several jobs, until Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from client import FOREVER, HELLO, Client, Mrunkit
from this_machine import needs_host_names


def start_local(mrunkit: Mrunkit, *words: str) -> tuple[Client, str]:
    """Start it; returns its address as well."""
    client = mrunkit.start("local", "--port", "0", *words)
    client.until_said("mrunkit run -N")
    found = re.search(r"127\.0\.0\.1:\d+", client.stdout)
    assert found is not None
    return client, found[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_jobs_until_it_is_ended(mrunkit: Mrunkit, number: signal.Signals) -> None:
    """Ctrl-C ends it with status 0, and the tasks of a job that still runs."""
    cluster, address = start_local(mrunkit, "--agents", "3", "--cpus", "4", "--mem", "1000")
    said = "3 agents with 4 cpus and 1000 MB each, until Ctrl-C; try:\n"
    assert cluster.stdout == f"{said}  mrunkit run -N 3 -n 3 {address} PROGRAM\n"
    assert len(mrunkit.run("-N", "3", address, HELLO).lines) == 3
    job = mrunkit.start_run("-N", "3", address, FOREVER)
    job.until_said("is pid", 3)
    cluster.signal(number)
    ended = cluster.wait()
    assert (ended.status, ended.stderr) == (0, "")
    job.until_state("draining")
    job.signal(signal.SIGINT)  # it would wait for the master to come back
    assert job.wait().status == 125


@needs_host_names
def test_its_agents_have_attributes(mrunkit: Mrunkit) -> None:
    """--attribute AGENT:NAME:VALUE; what looks like a number is one, as in Mesos."""
    attributes = ("--attribute", "2:rack:a", "--attribute", "4:rack:a", "--attribute", "4:speed:3")
    cluster, address = start_local(mrunkit, *attributes)
    words = ("-N", "2", "--constraint", "rack:a", address, HELLO)
    placed = [line.split()[-1] for line in mrunkit.run(*words).lines]
    assert placed == ["host2", "host4"]
    fast = mrunkit.run("--constraint", "speed:3", address, HELLO)
    assert [line.split()[-1] for line in fast.lines] == ["host4"]
    cluster.signal(signal.SIGINT)
    assert cluster.wait().status == 0


def test_an_address_that_cannot_be_said(mrunkit: Mrunkit) -> None:
    """Has nothing to do with the port."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mrunkit", "local", "--port", "0"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=mrunkit.environ(),
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (
        125,
        "mrunkit: cannot write the output: No space left on device\n",
    )


@pytest.mark.parametrize("words", [("--cpus", "nan"), ("--mem", "inf")])
def test_agents_have_what_is_a_number(mrunkit: Mrunkit, words: tuple[str, str]) -> None:
    """What is none would end the cluster at its first job."""
    client = mrunkit.start("local", "--port", "0", *words)
    ended = client.wait()
    assert (ended.status, ended.stdout) == (2, "")
    assert f"{words[0]} {words[1]}: must be a number" in ended.stderr


def test_a_port_that_is_taken(mrunkit: Mrunkit) -> None:
    """The reason and what to do, not a traceback."""
    cluster, address = start_local(mrunkit)
    port = address.partition(":")[2]
    second = mrunkit.start("local", "--port", port).wait()
    cluster.signal(signal.SIGINT)
    assert cluster.wait().status == 0
    assert (second.status, second.stderr.splitlines()) == (
        125,
        [
            f"mrunkit: cannot serve at {address}: Address already in use",
            "mrunkit:   give another --port, or --port 0 for a free one",
        ],
    )


def test_what_a_killed_one_leaves_is_removed_without_docker(mrunkit: Mrunkit) -> None:
    """By `mrunkit gc`, on machines that have none as well."""
    cluster, _ = start_local(mrunkit)
    (directory,) = mrunkit.tmp.iterdir()
    cluster.kill()
    removed = mrunkit.start("gc", variables={"DOCKER_HOST": "unix:///nowhere"}).wait()
    assert removed.status == 0
    assert removed.stderr.startswith("mrunkit: looked for files only: ")
    assert [line.split() for line in removed.stdout.splitlines()[1:]] == [
        ["files", str(directory), "removed"]
    ]
    assert not directory.exists()
