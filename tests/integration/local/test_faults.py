"""Faults do what their names say, and a scheduler sees what it would of a real master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from raw_scheduler import Json, scheduler, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig

TWO = LocalConfig(agents=2, allocation_interval=0.1, heartbeat_interval=0.1)


def is_type(name: str) -> Callable[[Json], bool]:
    """Events of a type."""
    return lambda event: event["type"] == name


def on_host(offers: list[Json], hostname: str) -> Json:
    return next(offer for offer in offers if offer["hostname"] == hostname)


def test_a_lost_agent_takes_offers_and_tasks_along() -> None:
    """RESCIND, TASK_LOST, and offers again when it is back."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            offers = await framework.offers(2)
            task_id = await framework.launch(on_host(offers, "host1"), "sleep 1000")
            await framework.status(task_id, "TASK_RUNNING")
            await framework.call("SUPPRESS")
            cluster.faults.lose_agent("host1")
            cluster.faults.lose_agent("host2")
            rescinded = await framework.event(is_type("RESCIND"))
            assert rescinded["rescind"]["offer_id"] == on_host(offers, "host2")["id"]
            lost = await framework.status(task_id, "TASK_LOST")
            assert (lost["reason"], lost["message"]) == (
                "REASON_AGENT_DISCONNECTED",
                "Agent host1 disconnected",
            )
            cluster.faults.return_agent("host1")
            await framework.call("REVIVE")
            (offer,) = await framework.offers()
            assert offer["hostname"] == "host1"
            assert offer["resources"] == on_host(offers, "host1")["resources"]

    asyncio.run(run())


def test_tasks_of_a_checkpointing_framework_survive_a_short_absence() -> None:
    """The agent comes back with the task, and nothing is said about it."""

    async def run() -> None:
        info = {"checkpoint": True}
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address, **info) as framework:
            offers = await framework.offers(2)
            task_id = await framework.launch(on_host(offers, "host1"), "sleep 1000")
            await framework.status(task_id, "TASK_RUNNING")
            cluster.faults.lose_agent("host1", tasks_survive=True)
            cluster.faults.return_agent("host1")
            await framework.kill(task_id)
            killed = await framework.status(task_id, "TASK_KILLED")
            assert killed["message"] == "Command terminated with signal Terminated"

    asyncio.run(run())


def test_an_agent_that_does_not_come_back_is_removed() -> None:
    """TASK_LOST for what was checkpointed, then FAILURE; back again, it brings the task."""
    config = LocalConfig(agents=1, allocation_interval=0.1, agent_removal_timeout=0.2)

    async def run() -> None:
        info = {"checkpoint": True}
        async with LocalCluster(config) as cluster, scheduler(cluster.address, **info) as framework:
            (offer,) = await framework.offers()
            task_id = await framework.launch(offer, "sleep 1000")
            await framework.status(task_id, "TASK_RUNNING")
            cluster.faults.lose_agent("host1", tasks_survive=True)
            lost = await framework.status(task_id, "TASK_LOST")
            assert lost["reason"] == "REASON_AGENT_REMOVED"
            failure = await framework.event(is_type("FAILURE"))
            assert failure["failure"] == {"agent_id": offer["agent_id"]}
            cluster.faults.return_agent("host1")
            back = await framework.status(task_id, "TASK_RUNNING")
            assert back["reason"] == "REASON_AGENT_REREGISTERED"

    asyncio.run(run())


def test_offers_can_be_rescinded() -> None:
    """Each offer that is out is taken back."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            offers = await framework.offers(2)
            await framework.call("SUPPRESS")
            cluster.faults.rescind_offers()
            for _ in offers:
                event = await framework.event(is_type("RESCIND"))
                assert event["rescind"]["offer_id"] in [offer["id"] for offer in offers]

    asyncio.run(run())


def test_a_stream_can_be_dropped() -> None:
    """It ends for the framework, which the master removes."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            cluster.faults.drop_streams()
            await framework.end()
            await until(lambda: not cluster.master.ledger.frameworks)

    asyncio.run(run())


def test_heartbeats_come_until_they_are_silenced() -> None:
    """At the interval that SUBSCRIBED names; then no more, while offers still come."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            for _ in range(3):
                await framework.event(is_type("HEARTBEAT"))
            offers = await framework.offers(2)
            cluster.faults.silence_heartbeats()
            declined = {
                "offer_ids": [offer["id"] for offer in offers],
                "filters": {"refuse_seconds": 0.5},
            }
            framework.events.clear()
            await framework.call("DECLINE", decline=declined)
            await framework.offers(2)
            heartbeats = [e for e in framework.events if e["type"] == "HEARTBEAT"]
            # One may have been under way.
            assert len(heartbeats) <= 1

    asyncio.run(run())


def test_starts_can_fail_and_executors_die() -> None:
    """TASK_FAILED by the agent, with the reason for each."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, scheduler(cluster.address) as framework:
            offers = await framework.offers(2)
            cluster.faults.fail_starts("host1", "disk full")
            failing = await framework.launch(on_host(offers, "host1"), "true")
            failed = await framework.status(failing, "TASK_FAILED")
            assert failed["message"] == "Failed to launch container: disk full"
            running = await framework.launch(on_host(offers, "host2"), "sleep 1000")
            await framework.status(running, "TASK_RUNNING")
            cluster.faults.kill_executor(running)
            dead = await framework.status(running, "TASK_FAILED")
            assert (dead["reason"], dead["message"]) == (
                "REASON_EXECUTOR_TERMINATED",
                "Executor terminated",
            )

    asyncio.run(run())


def test_a_master_can_be_recovering() -> None:
    """Everything is answered with 503 until it is not."""

    async def run() -> None:
        async with LocalCluster(TWO) as cluster, aiohttp.ClientSession() as session:
            cluster.faults.is_unavailable = True
            async with session.get(f"http://{cluster.address}/version") as answer:
                assert answer.status == 503
                assert await answer.text() == "Master has not finished recovery"
            cluster.faults.is_unavailable = False
            async with session.get(f"http://{cluster.address}/version") as answer:
                assert (await answer.json())["version"] == "1.11.0"

    asyncio.run(run())
