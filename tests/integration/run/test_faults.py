"""What goes wrong on the cluster's side: survived before MPI runs, told in one line after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from client import FOREVER, HELLO, Client, Mrunkit
from served import Served
from this_machine import needs_host_names

from mrunkit.local.cluster import LocalCluster


def start_running(mrunkit: Mrunkit, cluster: Served, *words: str) -> Client:
    """A job of four hosts whose ranks all run."""
    client = mrunkit.start_run("-N", "4", "-n", "8", *words, cluster.address, FOREVER)
    client.until_said("is pid", 8)
    client.until_state("running")
    return client


def start_waiting(mrunkit: Mrunkit, cluster: Served, *words: str) -> Client:
    """A job that has launched its tasks, and would wait long for that on host2."""
    cluster.fault(lambda faults: faults.delay_starts("host2", 1000))
    client = mrunkit.start_run("-N", "2", *words, cluster.address, HELLO)
    client.until_event("ProxyConnected")
    return client


def start_behind_another(mrunkit: Mrunkit, cluster: Served) -> tuple[Client, Client]:
    """A job that has all of host4, and one that waits for it and is offered nothing."""
    words = ("--hosts", "host4", "-c", "4", cluster.address)
    busy = mrunkit.start_run(*words, FOREVER)
    busy.until_said("is pid")
    busy.until_state("running")
    waiting = mrunkit.start_run(*words, HELLO)
    waiting.until_event("CapacityReported")
    return busy, waiting


def task_on(client: Client, hostname: str) -> str:
    """The id of the task that a client has launched on a host."""
    return str(
        next(
            event["task_id"]
            for event in client.events
            if event["type"] == "LaunchTask" and event["hostname"] == hostname
        )
    )


def launched_on(client: Client) -> list[str]:
    """The hosts on which a client has launched tasks, in this order."""
    return [event["hostname"] for event in client.events if event["type"] == "LaunchTask"]


# --- agents ---------------------------------------------------------------------------


def test_an_agent_that_is_briefly_away_is_waited_for(mrunkit: Mrunkit, cluster: Served) -> None:
    """The master still counts on it, and so does the job."""
    cluster.fault(lambda faults: faults.lose_agent("host2"))
    client = mrunkit.start_run("-N", "4", cluster.address, HELLO)
    client.until_said("offers collected 3/4")
    client.until_event("CapacityReported")
    cluster.fault(lambda faults: faults.return_agent("host2"))
    ended = client.wait()
    assert (ended.status, len(ended.lines)) == (0, 4), ended


def test_an_agent_that_does_not_come_back_is_waited_for_no_more(
    mrunkit: Mrunkit, serve: Callable[..., Served]
) -> None:
    """When the master removes it, what is left is too little."""
    cluster = serve(agent_removal_timeout=5.0)
    cluster.fault(lambda faults: faults.lose_agent("host2"))
    ended = mrunkit.run("-N", "4", cluster.address, HELLO)
    assert ended.status == 125
    assert "-N 4 needs 4 agents, and the cluster has 3" in ended.stderr
    assert "exit status" not in ended.stderr


@needs_host_names
def test_an_agent_that_is_lost_while_offers_are_collected(
    mrunkit: Mrunkit, cluster: Served
) -> None:
    """Another takes its place, without a word about it."""
    cluster.fault(lambda faults: faults.lose_agent("host1"))
    ended = mrunkit.run("-N", "3", cluster.address, HELLO)
    assert (ended.status, [line.split()[-1] for line in ended.lines]) == (
        0,
        ["host2", "host3", "host4"],
    )


@needs_host_names
def test_an_agent_that_is_lost_while_its_task_starts_is_replaced(
    mrunkit: Mrunkit, cluster: Served
) -> None:
    """MPI starts on another host."""
    client = start_waiting(mrunkit, cluster)
    cluster.fault(lambda faults: faults.lose_agent("host2"))
    ended = client.wait()
    assert (ended.status, [line.split()[-1] for line in ended.lines]) == (0, ["host1", "host3"])
    told = [line for line in ended.stderr.splitlines() if line.endswith("; replacing it")]
    assert len(told) == 1
    assert told[0].startswith("mrunkit: host2: ")


def test_an_agent_that_is_lost_under_mpi_ends_the_job(mrunkit: Mrunkit, cluster: Served) -> None:
    """125, and one line that names the host."""
    client = start_running(mrunkit, cluster)
    cluster.fault(lambda faults: faults.lose_agent("host3"))
    ended = client.wait()
    naming = [
        line for line in ended.stderr.splitlines() if "host3" in line and "offers" not in line
    ]
    assert (ended.status, naming) == (
        125,
        ["mrunkit: host3: Agent host3 disconnected (agent disconnected)"],
    )


def test_an_executor_that_dies_under_mpi_ends_the_job(mrunkit: Mrunkit, cluster: Served) -> None:
    """The same for one task."""
    client = start_running(mrunkit, cluster)
    task_id = task_on(client, "host2")
    cluster.fault(lambda faults: faults.kill_executor(task_id))
    ended = client.wait()
    naming = [line for line in ended.stderr.splitlines() if "host2:" in line]
    assert (ended.status, naming) == (
        125,
        ["mrunkit: host2: Executor terminated (executor terminated)"],
    )


# --- starts ---------------------------------------------------------------------------


def test_a_start_that_fails_is_replaced(mrunkit: Mrunkit, cluster: Served) -> None:
    """With another host."""
    cluster.fault(lambda faults: faults.fail_starts("host1", "no space left"))
    client = mrunkit.start_run("-N", "2", cluster.address, HELLO)
    ended = client.wait()
    assert (ended.status, len(ended.lines)) == (0, 2), ended
    assert launched_on(client) == ["host1", "host2", "host3"]


def test_the_end_of_a_task_that_was_replaced_is_acknowledged(
    mrunkit: Mrunkit, cluster: Served
) -> None:
    """While its job goes on: its agent would tell of it again and again."""
    cluster.fault(lambda faults: faults.fail_starts("host1", "no space left"))
    client = start_waiting(mrunkit, cluster, "--retries", "1")
    client.until_said("replacing it")
    cluster.until(lambda running: not running.agents[0].running(), "the end acknowledged")
    client.kill()


def test_a_start_that_takes_too_long_is_replaced(mrunkit: Mrunkit, cluster: Served) -> None:
    """After --start-timeout."""
    cluster.fault(lambda faults: faults.delay_starts("host1", 1000))
    client = mrunkit.start_run("-N", "2", "--start-timeout", "2", cluster.address, HELLO)
    ended = client.wait()
    assert (ended.status, len(ended.lines)) == (0, 2), ended
    assert launched_on(client) == ["host1", "host2", "host3"]


def test_a_start_that_takes_long_is_waited_for(mrunkit: Mrunkit, cluster: Served) -> None:
    """If it stays below the timeout."""
    cluster.fault(lambda faults: faults.delay_starts("host1", 1))
    client = mrunkit.start_run("-N", "2", cluster.address, HELLO)
    assert client.wait().status == 0
    assert launched_on(client) == ["host1", "host2"]


def test_retries_come_to_an_end(mrunkit: Mrunkit, cluster: Served) -> None:
    """The last failure is told, and how many came before it."""
    for hostname in ("host1", "host2", "host3", "host4"):
        cluster.fault(lambda faults, name=hostname: faults.fail_starts(name, "no space left"))
    ended = mrunkit.run("-N", "1", "--retries", "2", cluster.address, HELLO)
    assert ended.status == 125
    assert (
        "mrunkit: host3: Failed to launch container: no space left"
        " (container launch failed) (after 2 replaced)\n"
    ) in ended.stderr


def test_no_host_is_left_to_replace_one(mrunkit: Mrunkit, cluster: Served) -> None:
    """Told at once, instead of waiting for an agent that there is not."""
    cluster.fault(lambda faults: faults.fail_starts("host4", "no space left"))
    ended = mrunkit.run("-N", "4", cluster.address, HELLO)
    assert ended.status == 125
    assert "no space left (container launch failed); no other agent could take its place" in (
        ended.stderr
    )


# --- offers ---------------------------------------------------------------------------


def test_rescinded_offers_are_not_used(mrunkit: Mrunkit, cluster: Served) -> None:
    """Those that come later are."""
    busy = mrunkit.start_run("--hosts", "host4", "-c", "4", cluster.address, FOREVER)
    busy.until_said("is pid")
    client = mrunkit.start_run("-N", "4", cluster.address, HELLO)
    client.until_said("offers collected 3/4")
    cluster.fault(lambda faults: faults.rescind_offers())
    client.until_event("OfferRescinded")
    busy.kill()
    ended = client.wait()
    assert (ended.status, len(ended.lines)) == (0, 4), ended


# --- the master -----------------------------------------------------------------------


def drop_stream(cluster: LocalCluster) -> None:
    """Break the newest connection."""
    cluster.abort_stream(cluster.stream_ids()[-1])


def silence_heartbeats(cluster: LocalCluster) -> None:
    """Send no more heartbeats on the newest connection."""
    cluster.silence(cluster.stream_ids()[-1])


LOSSES = [drop_stream, silence_heartbeats]
Loss = Callable[[LocalCluster], None]


@pytest.fixture
def beating(serve: Callable[..., Served]) -> Served:
    """A cluster whose silence is noticed after two seconds."""
    return serve(heartbeat_interval=1.0)


@needs_host_names
@pytest.mark.parametrize("lose", LOSSES)
def test_a_master_that_is_lost_while_offers_are_collected(
    mrunkit: Mrunkit, beating: Served, lose: Loss
) -> None:
    """The job subscribes again, and runs."""
    busy, client = start_behind_another(mrunkit, beating)
    beating.call(lose)
    client.until_event("MasterLost")
    busy.kill()
    ended = client.wait()
    assert (ended.status, ended.stdout.split()[-1:]) == (0, ["host4"]), ended


@pytest.mark.parametrize("lose", LOSSES)
def test_a_master_that_is_lost_while_tasks_start(
    mrunkit: Mrunkit, beating: Served, lose: Loss
) -> None:
    """It ends our tasks, so the job has ended."""
    client = start_waiting(mrunkit, beating)
    beating.call(lose)
    ended = client.wait()
    assert (ended.status, ended.stderr.count("mrunkit: lost the master: ")) == (125, 1)
    assert "pymesos" not in ended.stderr


@pytest.mark.parametrize("lose", LOSSES)
def test_a_master_that_is_lost_under_mpi(mrunkit: Mrunkit, beating: Served, lose: Loss) -> None:
    """The same, and no rank is left."""
    client = start_running(mrunkit, beating)
    beating.call(lose)
    ended = client.wait()
    assert (ended.status, ended.stderr.count("mrunkit: lost the master: ")) == (125, 1)


def test_a_master_that_is_gone_for_good(mrunkit: Mrunkit, cluster: Served) -> None:
    """Nobody can tell any more that the tasks have ended: so that is not waited for long."""
    running = start_running(mrunkit, cluster)
    starting = start_waiting(mrunkit, cluster)
    cluster.stop()
    assert (starting.wait().status, running.wait().status) == (125, 125)
    assert starting.stderr.count("mrunkit: lost the master: ") == 1


@needs_host_names
def test_a_master_that_comes_back_while_offers_are_collected(
    mrunkit: Mrunkit, serve: Callable[..., Served]
) -> None:
    """As after its upgrade: the job is a new framework there, and runs."""
    before = serve()
    busy, client = start_behind_another(mrunkit, before)
    port = before.port
    before.stop()
    client.until_event("MasterLost")
    busy.kill()
    serve(port=port)
    ended = client.wait()
    assert (ended.status, ended.stdout.split()[-1:]) == (0, ["host4"]), ended


def test_a_master_that_is_not_ready_yet(mrunkit: Mrunkit, cluster: Served) -> None:
    """503 while it recovers."""
    cluster.fault(lambda faults: setattr(faults, "is_unavailable", True))
    client = mrunkit.start_run("-N", "2", cluster.address, HELLO)
    client.until_event("MasterLost")
    cluster.fault(lambda faults: setattr(faults, "is_unavailable", False))
    ended = client.wait()
    assert (ended.status, len(ended.lines)) == (0, 2), ended
