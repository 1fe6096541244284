"""MASTER as zk://...: the leader is found, also when it changes, or missed in clear words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client import FOREVER, HELLO, Mrunkit
from served import Served
from zookeeper import JAR, JAVA, Ensemble, running_ensemble

pytestmark = pytest.mark.skipif(
    JAVA is None or not JAR.exists(), reason="needs Java and ZooKeeper (libzookeeper-java)"
)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    """A ZooKeeper for all tests here; each has a path of its own."""
    directory: Path = tmp_path_factory.mktemp("zookeeper")
    with running_ensemble(directory) as running:
        yield running


def test_a_job_runs_on_the_leading_master(
    ensemble: Ensemble, mrunkit: Mrunkit, cluster: Served
) -> None:
    """The oldest node's, although another master is registered as well."""
    master = ensemble.make_path("/leading")
    ensemble.register("/leading", cluster.port)
    ensemble.register("/leading", 9)
    ended = mrunkit.run("-N", "2", "-n", "4", master, HELLO)
    assert (ended.status, len(ended.lines)) == (0, 4), ended


def test_a_job_that_waits_moves_on_to_the_next_leader(
    ensemble: Ensemble, mrunkit: Mrunkit, serve: Callable[..., Served]
) -> None:
    """The first master is full and then gone; the job runs on the one that leads after it."""
    master = ensemble.make_path("/failover")
    first, second = serve(), serve()
    node = ensemble.register("/failover", first.port)
    ensemble.register("/failover", second.port)
    busy = mrunkit.start_run("--hosts", "host4", "-c", "4", first.address, FOREVER)
    busy.until_said("is pid")
    job = mrunkit.start_run("--hosts", "host4", "-c", "4", master, HELLO)
    job.until_event("CapacityReported")
    ensemble.unregister(node)
    first.stop()
    ended = job.wait()
    busy.kill()
    assert (ended.status, len(ended.lines)) == (0, 1), ended
    masters = [event["master"] for event in job.events if event["type"] == "Subscribed"]
    assert masters == [first.address, second.address]


def test_a_job_waits_for_an_election(ensemble: Ensemble, mrunkit: Mrunkit, cluster: Served) -> None:
    """No master leads yet: that is said, and the job runs when one does."""
    master = ensemble.make_path("/electing")
    job = mrunkit.start_run(master, HELLO)
    job.until_said(f"mrunkit: no master leads at {master}; trying again")
    ensemble.register("/electing", cluster.port)
    ended = job.wait()
    assert (ended.status, len(ended.lines)) == (0, 1), ended


def test_a_leader_that_is_just_gone_is_waited_for(
    ensemble: Ensemble, mrunkit: Mrunkit, cluster: Served
) -> None:
    """Its node outlives it by the length of a session; then the next one leads."""
    master = ensemble.make_path("/stale")
    node = ensemble.register("/stale", 9)
    job = mrunkit.start_run(master, HELLO)
    job.until_said("mrunkit: nothing listens at 127.0.0.1:9; trying again")
    ensemble.register("/stale", cluster.port)
    ensemble.unregister(node)
    ended = job.wait()
    assert (ended.status, len(ended.lines)) == (0, 1), ended


def test_a_path_that_is_not_there(ensemble: Ensemble, mrunkit: Mrunkit) -> None:
    """Most likely a typing error: the job ends."""
    ended = mrunkit.run(f"zk://{ensemble.hosts}/nosuch", HELLO)
    assert ended.status == 125
    assert "mrunkit: ZooKeeper has no path /nosuch\n" in ended.stderr
    assert "use the path that the masters were started with (--zk)\n" in ended.stderr


def test_a_zookeeper_that_does_not_answer(mrunkit: Mrunkit) -> None:
    """Likewise."""
    ended = mrunkit.run("zk://127.0.0.1:9/mesos", HELLO)
    assert ended.status == 125
    assert "mrunkit: ZooKeeper at 127.0.0.1:9 does not answer\n" in ended.stderr


def test_a_node_that_is_no_masters(ensemble: Ensemble, mrunkit: Mrunkit) -> None:
    """Whatever else is registered there."""
    master = ensemble.make_path("/odd")
    ensemble.make_path("/odd/json.info_0000000000")
    ended = mrunkit.run(master, HELLO)
    assert ended.status == 125
    assert f"mrunkit: what leads at {master} is not a Mesos master\n" in ended.stderr


def test_a_leader_at_a_port_that_is_none(ensemble: Ensemble, mrunkit: Mrunkit) -> None:
    """No master of this world; and no traceback."""
    master = ensemble.make_path("/far")
    ensemble.register("/far", 99999)
    ended = mrunkit.run(master, HELLO)
    assert ended.status == 125
    assert f"mrunkit: what leads at {master} is not a Mesos master\n" in ended.stderr
