"""Several jobs on one cluster: all get their turn, and none waits for ever."""

from __future__ import annotations

from collections.abc import Callable

from client import HELLO, PI, Client, Mrunkit
from served import Served

PATIENCE = 90.0
"""Held offers go back after 2 to 4 s, and it may take some rounds."""

COMPUTE = ("sh", "-c", "sleep 0.3; exec " + HELLO)


def ran(client: Client) -> tuple[float, float]:
    """When a job's tasks were launched, and when all had ended."""
    times = {event["value"]: event["time"] for event in client.events if event["kind"] == "state"}
    return times["launching"], times["done"]


def test_two_jobs_that_each_need_more_than_half(
    mrunkit: Mrunkit, serve: Callable[..., Served]
) -> None:
    """One after the other, though both may hold half of the cluster at first."""
    cluster = serve(allocation_interval=1.0)
    words = ("-N", "4", "-n", "12", cluster.address, *COMPUTE)
    clients = [mrunkit.start_run(*words) for _ in range(2)]
    ended = [client.wait(PATIENCE) for client in clients]
    assert [one.status for one in ended] == [0, 0], ended
    (_, first_end), (second_launch, _) = sorted(ran(client) for client in clients)
    assert first_end <= second_launch + 0.1


def test_four_jobs_of_different_shapes(mrunkit: Mrunkit, cluster: Served) -> None:
    """Wide, narrow, heavy and light ones."""
    shapes = [(4, 8, "1"), (2, 2, "3"), (3, 9, "1"), (1, 1, "4")]
    clients = [
        mrunkit.start_run(
            "-N", str(nodes), "-n", str(procs), "-c", cores, cluster.address, *COMPUTE
        )
        for nodes, procs, cores in shapes
    ]
    ended = [client.wait(PATIENCE) for client in clients]
    assert [(one.status, len(one.lines)) for one in ended] == [(0, procs) for _, procs, _ in shapes]


def test_a_job_goes_on_when_its_neighbour_ends_badly(mrunkit: Mrunkit, cluster: Served) -> None:
    """Jobs share hosts, and nothing else."""
    neighbour = mrunkit.start_run("-N", "4", cluster.address, "sh", "-c", "echo on; sleep 1000")
    neighbour.until_said("on", 4)
    assert mrunkit.run("-N", "4", cluster.address, PI).status == 0
    killed = 'if [ "$PMI_RANK" = 2 ]; then kill -KILL $$; fi; exec sleep 1000'
    assert mrunkit.run("-N", "4", cluster.address, "sh", "-c", killed).status == 9
    assert [record["state"] for record in mrunkit.records()].count("running") == 1
    neighbour.kill()
