"""A task's life on an embedded cluster, as a raw scheduler sees it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from raw_scheduler import Json, Scheduler, scheduler, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.launcher_process import Isolation
from mrunkit.local.stragglers import marked_processes

ONE = LocalConfig(agents=1, cpus=4, mem=2048, allocation_interval=0.2)

Story = Callable[[LocalCluster, Scheduler], Awaitable[None]]


async def possible_isolations() -> list[Isolation]:
    """What this machine allows, the best first."""
    possible = []
    for isolation in Isolation:
        with contextlib.suppress(RuntimeError):
            async with LocalCluster(ONE, isolation=isolation) as cluster:
                possible.append(await cluster.isolation())
    return possible


POSSIBLE = asyncio.run(possible_isolations())
needs_namespaces = pytest.mark.skipif(POSSIBLE[0] is Isolation.SESSION, reason="needs namespaces")


def play(story: Story, config: LocalConfig = ONE, **info: object) -> None:
    """Run a story against a cluster, with a framework subscribed; nothing is left of it."""

    async def run() -> str:
        async with LocalCluster(config) as cluster:
            async with scheduler(cluster.address, **info) as framework:
                await story(cluster, framework)
            return str(cluster.work_dir)

    work_dir = asyncio.run(run())
    assert not Path(work_dir).exists()
    assert list(marked_processes(f"MESOS_SANDBOX={work_dir}/")) == []


def sandboxes(cluster: LocalCluster) -> list[Path]:
    return sorted(cluster.work_dir.glob("host*"))


def test_a_task_starts_runs_and_finishes_in_its_sandbox() -> None:
    """STARTING, RUNNING, FINISHED; output in files, Mesos' and own variables set."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        variables = [{"name": "OWN", "value": "mine"}]
        line = 'echo "$OWN $MESOS_TASK_ID $LIBPROCESS_IP"; pwd; echo oops >&2'
        command = {"value": line, "environment": {"variables": variables}}
        task_id = await framework.launch(offer, command)
        starting = await framework.status(task_id, "TASK_STARTING")
        await framework.status(task_id, "TASK_RUNNING")
        finished = await framework.status(task_id, "TASK_FINISHED")
        assert finished["message"] == "Command exited with status 0"
        network = starting["container_status"]["network_infos"][0]
        assert network["ip_addresses"] == [{"protocol": "IPv4", "ip_address": "127.0.1.1"}]
        (sandbox,) = sandboxes(cluster)
        output = (sandbox / "stdout").read_text()
        assert output == f"mine {task_id} 127.0.1.1\n{sandbox}\n"
        assert (sandbox / "stderr").read_text() == "oops\n"

    play(story)


@needs_namespaces
def test_each_agent_is_a_host_of_its_own() -> None:
    """Tasks on four agents see four host names, which are those in the offers."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        offers = await framework.offers(4)
        for offer in offers:
            task_id = await framework.launch(offer, "hostname", task_id=offer["hostname"])
            await framework.status(task_id, "TASK_FINISHED")
        seen = [(sandbox / "stdout").read_text().strip() for sandbox in sandboxes(cluster)]
        assert sorted(seen) == ["host1", "host2", "host3", "host4"]
        assert [o["url"]["address"]["ip"] for o in offers] == [f"127.0.1.{n}" for n in range(1, 5)]

    play(story, LocalConfig(agents=4))


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ({"value": "exit 3"}, "TASK_FAILED", "Command exited with status 3"),
        ({"value": "exit 137"}, "TASK_FAILED", "Command exited with status 137"),
        ({"value": "kill -9 $$"}, "TASK_FAILED", "Command terminated with signal Killed"),
        ({"value": "nosuch-program"}, "TASK_FAILED", "Command exited with status 127"),
        (
            {"value": "/no/such", "shell": False},
            "TASK_FAILED",
            "Command exited with status 127",
        ),
        (
            {"value": "test", "shell": False, "arguments": ["test", "a b", "=", "a b"]},
            "TASK_FINISHED",
            "Command exited with status 0",
        ),
    ],
)
def test_the_end_of_a_command_is_told_in_mesos_words(
    command: Json, state: str, message: str
) -> None:
    """Statuses and signals, with a shell and without."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        task_id = await framework.launch(offer, command)
        status = await framework.status(task_id, "TASK_FINISHED", "TASK_FAILED")
        assert (status["state"], status["message"]) == (state, message)

    play(story)


def test_kill_sends_sigterm_first() -> None:
    """A command can clear up: SIGTERM reaches it, and it ends by itself."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        line = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
        task_id = await framework.launch(offer, line)
        await framework.status(task_id, "TASK_RUNNING")
        output = sandboxes(cluster)[0] / "stdout"
        await until(lambda: "up" in output.read_text())
        await framework.kill(task_id)
        status = await framework.status(task_id, "TASK_KILLED")
        assert status["message"] == "Command exited with status 0"
        assert output.read_text() == "up\nbye\n"

    play(story)


@needs_namespaces
def test_an_ordinary_user_has_hosts_too() -> None:
    """In a user namespace, tasks have host names and end like others."""

    async def run() -> str:
        async with (
            LocalCluster(ONE, isolation=Isolation.USER_NAMESPACES) as cluster,
            scheduler(cluster.address) as framework,
        ):
            (offer,) = await framework.offers()
            task_id = await framework.launch(offer, "hostname")
            await framework.status(task_id, "TASK_FINISHED")
            return (sandboxes(cluster)[0] / "stdout").read_text()

    assert asyncio.run(run()) == "host1\n"


@pytest.mark.parametrize("isolation", POSSIBLE)
def test_a_running_task_tells_its_process_as_this_machine_knows_it(isolation: Isolation) -> None:
    """An operator can look at it, whichever PID namespace it is in."""

    def command_line(pid: int) -> list[bytes]:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")

    async def run() -> None:
        async with (
            LocalCluster(ONE, isolation=isolation) as cluster,
            scheduler(cluster.address) as framework,
        ):
            (offer,) = await framework.offers()
            task_id = await framework.launch(offer, "echo up; sleep 1000 & wait")
            running = await framework.status(task_id, "TASK_RUNNING")
            output = sandboxes(cluster)[0] / "stdout"
            await until(lambda: "up" in output.read_text())
            words = command_line(running["container_status"]["executor_pid"])
            assert words[2] == b"echo up; sleep 1000 & wait"

    asyncio.run(run())


@pytest.mark.parametrize("isolation", POSSIBLE)
def test_nothing_survives_a_kill(isolation: Isolation) -> None:
    """SIGKILL follows after the grace period, and takes what left the session along."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        line = "trap '' TERM; setsid sleep 1000 & echo up; while :; do sleep 0.1; done"
        grace = {"grace_period": {"nanoseconds": 300_000_000}}
        task_id = await framework.launch(offer, line, kill_policy=grace)
        await framework.status(task_id, "TASK_RUNNING")
        output = sandboxes(cluster)[0] / "stdout"
        await until(lambda: "up" in output.read_text())
        await framework.kill(task_id)
        status = await framework.status(task_id, "TASK_KILLED")
        assert status["message"] == "Command terminated with signal Killed"
        assert list(marked_processes(f"MESOS_SANDBOX={cluster.work_dir}/")) == []

    async def run() -> None:
        async with (
            LocalCluster(ONE, isolation=isolation) as cluster,
            scheduler(cluster.address) as framework,
        ):
            await story(cluster, framework)

    asyncio.run(run())


def test_a_task_killed_before_its_start_never_starts() -> None:
    """TASK_KILLED with REASON_TASK_KILLED_DURING_LAUNCH, by the agent."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        cluster.faults.delay_starts("host1", 60)
        (offer,) = await framework.offers()
        task_id = await framework.launch(offer, "true")
        await framework.kill(task_id)
        status = await framework.status(task_id, "TASK_KILLED")
        assert status["message"] == "Killed before delivery to the executor"
        assert (status["source"], status["reason"]) == (
            "SOURCE_AGENT",
            "REASON_TASK_KILLED_DURING_LAUNCH",
        )

    play(story)


def test_a_docker_task_fails_clearly() -> None:
    """Without an executor for containers the task fails and says so."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        container = {"type": "DOCKER", "docker": {"image": "busybox"}}
        task_id = await framework.launch(offer, "true", container=container)
        status = await framework.status(task_id, "TASK_FAILED")
        assert "Docker" in status["message"]
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"

    play(story)


def test_freed_resources_are_offered_again() -> None:
    """What a task used comes back whole after its end."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        task_id = await framework.launch(offer, "true")
        await framework.status(task_id, "TASK_FINISHED")
        await framework.call("REVIVE")
        (again,) = await framework.offers()
        assert again["resources"] == offer["resources"]

    play(story)


def test_reconciliation_tells_the_latest_state() -> None:
    """Of a running task, and of one that nobody knows."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer,) = await framework.offers()
        task_id = await framework.launch(offer, "sleep 1000")
        await framework.status(task_id, "TASK_RUNNING")
        await framework.call("RECONCILE", reconcile={"tasks": []})
        known = await framework.status(task_id, "TASK_RUNNING")
        assert known["message"] == "Reconciliation: Latest task state"
        asked = [{"task_id": {"value": "nosuch"}}]
        await framework.call("RECONCILE", reconcile={"tasks": asked})
        unknown = await framework.status("nosuch", "TASK_LOST")
        assert unknown["reason"] == "REASON_RECONCILIATION"

    play(story)
