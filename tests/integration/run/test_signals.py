"""Ctrl-C, SIGTERM and kill -9, whenever they come: the job ends, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from client import FOREVER, Client, Mrunkit
from leftovers import descendants, until
from served import Served

ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@contextlib.contextmanager
def collecting(mrunkit: Mrunkit, cluster: Served) -> Iterator[Client]:
    """A job that waits for offers, as another has one of the four hosts."""
    words = ("--hosts", "host4", "-c", "4", cluster.address, "sh", "-c", "echo here; sleep 1000")
    occupant = mrunkit.start_run(*words)
    occupant.until_said("here")
    client = mrunkit.start_run("-N", "4", cluster.address, FOREVER)
    client.until_said("offers collected 3/4")
    yield client
    occupant.kill()


@contextlib.contextmanager
def launching(mrunkit: Mrunkit, cluster: Served) -> Iterator[Client]:
    """A job that has launched its tasks, one of which does not start."""
    cluster.fault(lambda faults: faults.delay_starts("host4", 1000))
    client = mrunkit.start_run("-N", "4", cluster.address, FOREVER)
    for slot in range(3):
        client.until_event("ProxyConnected", address=f"127.0.1.{slot + 1}")
    yield client


@contextlib.contextmanager
def running(mrunkit: Mrunkit, cluster: Served) -> Iterator[Client]:
    """A job whose ranks all run, and do not care for SIGTERM."""
    client = mrunkit.start_run("-N", "4", "-n", "8", cluster.address, FOREVER, "ignore-term")
    client.until_said("is pid", 8)
    client.until_state("running")
    yield client


PHASES = [collecting, launching, running]
Phase = Callable[[Mrunkit, Served], AbstractContextManager[Client]]


def seconds_draining(client: Client) -> float:
    """From the decision that a job ends to its end."""
    times = {event["value"]: event["time"] for event in client.events if event["kind"] == "state"}
    return float(times["done"] - times.get("draining", times["done"]))


def tasks_of(cluster: Served, client: Client) -> list[str]:
    """The tasks of a client's job that agents still know."""
    job_id = client.job_id
    running_ids = cluster.call(lambda it: [key for agent in it.agents for key in agent.running()])
    return [task_id for _, task_id in running_ids if task_id.startswith(job_id)]


@pytest.mark.parametrize(("number", "status"), ENDS)
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_ends_the_job(
    mrunkit: Mrunkit, cluster: Served, phase: Phase, number: signal.Signals, status: int
) -> None:
    """With 128 and its number; when the command has ended, so have the tasks."""
    with phase(mrunkit, cluster) as client:
        client.signal(number)
        ended = client.wait()
        reasons = ended.stderr.count(f"mrunkit: ended by {number.name}\n")
        assert (ended.status, reasons) == (status, 1)
        assert tasks_of(cluster, client) == []
        assert seconds_draining(client) < 10  # after 15 it would leave the rest to the master


def test_nohup_is_heeded(mrunkit: Mrunkit, cluster: Served) -> None:
    """A job goes on when the terminal is closed in which it was started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, for its children
    try:
        with running(mrunkit, cluster) as client:
            client.signal(signal.SIGHUP)
            client.signal(signal.SIGTERM)
            ended = client.wait()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.status == 143
    assert "ended by SIGHUP" not in ended.stderr


def test_a_second_ctrl_c_does_not_wait(mrunkit: Mrunkit, cluster: Served) -> None:
    """Ranks that ignore SIGTERM have 2 s; after a second Ctrl-C nothing is waited for."""
    with running(mrunkit, cluster) as client:
        client.signal(signal.SIGINT)
        client.until_state("draining")
        client.signal(signal.SIGINT)
        assert client.wait().status == 130
    first, second = (event["time"] for event in client.events if event["type"] == "Cancelled")
    assert seconds_draining(client) - (second - first) < 0.5


def test_a_stopped_client_goes_on(mrunkit: Mrunkit, serve: Callable[..., Served]) -> None:
    """Ctrl-Z and, longer than a master may be silent, fg: it was not the master who was silent."""
    cluster = serve(heartbeat_interval=0.3)
    with running(mrunkit, cluster) as client:
        for _ in range(6):  # it is a race; once in three times it was lost
            client.signal(signal.SIGSTOP)
            time.sleep(1.0)
            client.signal(signal.SIGCONT)
            time.sleep(0.3)
        assert not [event for event in client.events if event["type"] == "MasterLost"]
        client.signal(signal.SIGINT)
        assert client.wait().status == 130


def test_ctrl_c_with_a_cluster_of_its_own(mrunkit: Mrunkit) -> None:
    """The cluster is no part of the terminal's process group, and ends with the job."""
    client = mrunkit.start_run("-N", "2", "local", FOREVER)
    client.until_said("is pid", 2)
    client.signal(signal.SIGINT)
    assert client.wait().status == 130


def pictures() -> set[Path]:
    """What hydra_pmi_proxy has written about the machine, wherever TMPDIR is."""
    return set(Path("/tmp").glob("hydra_hwloc_xmlfile_*"))


def launcher_of(client: Client) -> int:
    """The one that is PID 1 for the tasks, or where there are no namespaces the only one."""
    pids = [pid for pid, it in descendants(client.pid).items() if "launcher.py" in it.command]
    return max(pids, key=lambda pid: len(descendants(pid).keys() & set(pids)) == 0)


@pytest.mark.parametrize("ended", ["client", "cluster", "launcher", "ctrl-c twice"])
def test_no_picture_of_the_machine_is_left(mrunkit: Mrunkit, ended: str) -> None:
    """Also where the task that would clear it away is killed with the cluster."""
    before = pictures()
    client = mrunkit.start_run("-N", "2", "-n", "4", "local", FOREVER, "ignore-term")
    client.until_said("is pid", 4)
    there = pictures() - before
    assert there, "or this test would show nothing"
    if ended == "client":
        client.kill()
    elif ended == "ctrl-c twice":
        client.signal(signal.SIGINT)
        client.until_state("draining")
        client.signal(signal.SIGINT)
    elif ended == "cluster":
        children = descendants(client.pid).values()
        (cluster,) = (child.pid for child in children if "mrunkit.local" in child.command)
        os.kill(cluster, signal.SIGKILL)
    else:
        os.kill(launcher_of(client), signal.SIGKILL)
    until(lambda: not there & pictures(), "pictures removed")
    client.wait()


def test_a_killed_cluster_of_its_own_is_not_waited_for(mrunkit: Mrunkit) -> None:
    """No master comes back to be told what to end, and the tasks have ended with it."""
    client = mrunkit.start_run("-N", "2", "local", FOREVER)
    client.until_said("is pid", 2)
    children = descendants(client.pid).values()
    (cluster,) = (child.pid for child in children if "mrunkit.local" in child.command)
    os.kill(cluster, signal.SIGKILL)
    ended = client.wait()
    assert ended.status == 125
    assert "mrunkit: the local cluster ended: killed by SIGKILL\n" in ended.stderr
    assert seconds_draining(client) < 10


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_outlives_a_killed_client(mrunkit: Mrunkit, cluster: Served, phase: Phase) -> None:
    """kill -9: the master notices the end of the connection, and ends the tasks."""
    with phase(mrunkit, cluster) as client:
        client.kill()
        until(lambda: tasks_of(cluster, client) == [], "its tasks are gone")


def test_nothing_outlives_a_killed_client_and_its_cluster(mrunkit: Mrunkit) -> None:
    """kill -9 of a client with a cluster of its own ends that, too."""
    client = mrunkit.start_run("-N", "2", "local", FOREVER)
    client.until_said("is pid", 2)
    client.kill()
    until(lambda: not any(mrunkit.tmp.iterdir()), "sandboxes removed")


def test_a_killed_clients_record_says_so(mrunkit: Mrunkit, cluster: Served) -> None:
    """It is not for ever `running`."""
    with running(mrunkit, cluster) as client:
        assert [record["state"] for record in mrunkit.records()] == ["running"]
        client.kill()
    assert [record["state"] for record in mrunkit.records()] == ["lost"]


def test_a_rank_that_hides_is_found(mrunkit: Mrunkit, cluster: Served) -> None:
    """What a rank has left in a session of its own ends with the job."""
    script = "setsid sleep 1000 & echo started; exec sleep 1000"
    client = mrunkit.start_run("-N", "2", cluster.address, "sh", "-c", script)
    client.until_said("started", 2)
    client.signal(signal.SIGINT)
    assert client.wait().status == 130


def test_a_rank_that_leaves_something_at_its_end(mrunkit: Mrunkit, cluster: Served) -> None:
    """Also when all went well. It must not hold what mpiexec waits for: PMI, stdout, stderr."""
    daemon = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True, "
    daemon += "stdin=s.DEVNULL, stdout=s.DEVNULL, stderr=s.DEVNULL)"
    ended = mrunkit.run(cluster.address, sys.executable, "-c", daemon)
    assert (ended.status, ended.stdout) == (0, ""), ended


@pytest.mark.parametrize(("number", "status"), ENDS)
def test_a_signal_before_anything_is_there(
    mrunkit: Mrunkit, number: signal.Signals, status: int
) -> None:
    """While the client is still being imported, as hasty people find out."""
    shims = mrunkit.directory / "shims"
    shims.mkdir()
    (shims / "typer.py").write_text(f"import os, signal; os.kill(os.getpid(), {number:d})")
    client = mrunkit.start("run", "local", FOREVER, variables={"PYTHONPATH": str(shims)})
    ended = client.wait()
    assert (ended.status, ended.stderr) == (status, f"mrunkit: ended by {number.name}\n")
