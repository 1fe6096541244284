"""Frameworks that come, share, leave and come back."""

from __future__ import annotations

import asyncio

import aiohttp
from raw_scheduler import Scheduler, scheduler, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.stragglers import marked_processes

TWO = LocalConfig(agents=2, allocation_interval=0.1)


async def until_no_task_lives(cluster: LocalCluster) -> None:
    await until(lambda: not list(marked_processes(f"MESOS_SANDBOX={cluster.work_dir}/")))


def test_two_frameworks_share_the_agents() -> None:
    """What one declines the other is offered."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as first:
            offers = await first.offers(2)
            async with scheduler(cluster.address) as second:
                declined = {"offer_ids": [offers[0]["id"]], "filters": {"refuse_seconds": 600}}
                await first.call("DECLINE", decline=declined)
                (offer,) = await second.offers()
                assert offer["agent_id"] == offers[0]["agent_id"]

    asyncio.run(run())


def test_a_framework_that_leaves_takes_its_tasks_along() -> None:
    """Without a failover timeout, tasks end when the stream breaks, and its id is spent."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster:
            async with scheduler(cluster.address) as framework:
                (offer, _) = await framework.offers(2)
                task_id = await framework.launch(offer, "sleep 1000")
                await framework.status(task_id, "TASK_RUNNING")
                framework_id = framework.id
            await until_no_task_lives(cluster)
            async with aiohttp.ClientSession() as session:
                again = Scheduler(session, cluster.address)
                await again.subscribe(id={"value": framework_id})
                error = await again.event(lambda e: e["type"] == "ERROR")
                assert error["error"]["message"] == "Framework has been removed"
                await again.end()
                await again.close()

    asyncio.run(run())


def test_teardown_ends_the_stream_and_the_tasks() -> None:
    """The stream ends cleanly and no process is left."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            (offer, _) = await framework.offers(2)
            task_id = await framework.launch(offer, "sleep 1000")
            await framework.status(task_id, "TASK_RUNNING")
            assert await framework.call("TEARDOWN") == 202
            await framework.end()
            await until_no_task_lives(cluster)

    asyncio.run(run())


def test_a_framework_that_fails_over_in_time_keeps_its_tasks() -> None:
    """With a timeout, tasks go on; what was not acknowledged is sent again."""
    info = {"failover_timeout": 60, "checkpoint": True}

    async def run() -> None:
        async with LocalCluster(TWO) as cluster:
            async with scheduler(cluster.address, **info) as framework:
                framework.acknowledges = False
                (offer, _) = await framework.offers(2)
                task_id = await framework.launch(offer, "sleep 1000")
                before = await framework.status(task_id, "TASK_STARTING")
            identity = {"value": framework.id}
            async with scheduler(cluster.address, id=identity, **info) as again:
                after = await again.status(task_id, "TASK_STARTING")
                assert after["uuid"] == before["uuid"]
                await again.status(task_id, "TASK_RUNNING")
                assert await again.offers(2)

    asyncio.run(run())


def test_the_second_of_two_with_one_id_wins() -> None:
    """The first stream gets an ERROR and ends; its calls are refused."""

    async def run() -> None:
        async with (
            LocalCluster(TWO) as cluster,
            scheduler(cluster.address, failover_timeout=60) as first,
            scheduler(cluster.address, failover_timeout=60, id={"value": first.id}) as second,
        ):
            error = await first.event(lambda e: e["type"] == "ERROR")
            assert error["error"]["message"] == "Framework failed over"
            await first.end()
            assert await first.call("REVIVE") == 400
            assert await second.offers(2)

    asyncio.run(run())


def test_a_failover_that_comes_too_late_finds_nothing() -> None:
    """After the timeout the framework is removed and its tasks end."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster:
            async with scheduler(cluster.address, failover_timeout=0.2) as framework:
                (offer, _) = await framework.offers(2)
                task_id = await framework.launch(offer, "sleep 1000")
                await framework.status(task_id, "TASK_RUNNING")
            await until_no_task_lives(cluster)
            assert list(cluster.master.ledger.frameworks) == []

    asyncio.run(run())


def test_a_role_is_offered_as_such_to_who_can_have_many() -> None:
    """With MULTI_ROLE, offers and their resources say for which role they are."""

    async def run() -> None:
        many = {"roles": ["r1", "r2"], "capabilities": [{"type": "MULTI_ROLE"}]}
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address, **many) as framework:
            offers = await framework.offers(2)
            assert [o["allocation_info"]["role"] for o in offers] == ["r1", "r2"]
            for offer in offers:
                for resource in offer["resources"]:
                    assert resource["allocation_info"] == offer["allocation_info"]

    asyncio.run(run())
