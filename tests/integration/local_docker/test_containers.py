"""Docker tasks on an embedded cluster, as a raw scheduler sees them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import docker
import pytest
from raw_scheduler import Json, Scheduler, scalar, scheduler, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.docker_tasks import DockerExecutor

pytestmark = pytest.mark.docker

FOUR = LocalConfig(agents=4, cpus=4, mem=2048, allocation_interval=0.2)
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
AGENT_IP = "127.0.1.1"
IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"

Story = Callable[[LocalCluster, Scheduler], Awaitable[None]]


def play(story: Story) -> None:
    """Run a story against a cluster with Docker, with a framework subscribed."""

    async def run() -> str:
        async with (
            DockerExecutor() as executor,
            LocalCluster(FOUR, docker=executor) as cluster,
            scheduler(cluster.address) as framework,
        ):
            await story(cluster, framework)
            return str(cluster.work_dir)

    assert not Path(asyncio.run(run())).exists()


def container(image: str, *parameters: tuple[str, str], **docker: object) -> Json:
    pairs = [{"key": key, "value": value} for key, value in parameters]
    return {"type": "DOCKER", "docker": {"image": image, "parameters": pairs, **docker}}


def address(status: Json) -> str:
    (info,) = status["container_status"]["network_infos"]
    (found,) = info["ip_addresses"]
    return str(found["ip_address"])


def description(status: Json) -> Json:
    (described,) = json.loads(base64.b64decode(status["data"]))
    assert isinstance(described, dict)
    return described


def read(cluster: LocalCluster, name: str) -> str:
    """A file of the only sandbox."""
    (sandbox,) = cluster.work_dir.glob("*/")
    return (sandbox / name).read_text()


async def ready(cluster: LocalCluster, count: int = 1) -> None:
    """Wait until so many containers have said that their trap is set."""

    def said() -> bool:
        files = list(cluster.work_dir.glob("*/stdout"))
        return len(files) == count and all(f.read_text() == "ready\n" for f in files)

    await until(said)


def test_a_container_starts_runs_and_finishes(image: str) -> None:
    """As recorded: the container's address with RUNNING only, `docker inspect` in its data."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        variables = [{"name": "OWN", "value": "mine"}]
        line = 'echo "$OWN $MESOS_TASK_ID $MESOS_CONTAINER_NAME"; echo oops >&2; sleep 1'
        line += "; echo made >$MESOS_SANDBOX/file; exit 3"
        command = {"value": line, "environment": {"variables": variables}}
        spec = container(image, network="BRIDGE")
        task_id = await framework.launch(offer, command, container=spec)
        starting = await framework.status(task_id, "TASK_STARTING")
        running = await framework.status(task_id, "TASK_RUNNING")
        failed = await framework.status(task_id, "TASK_FAILED")
        assert failed["message"] == "Container exited with status 3"
        assert "reason" not in failed
        described = description(running)
        own = described["NetworkSettings"]["IPAddress"]
        assert own
        assert [address(s) for s in (starting, running, failed)] == [AGENT_IP, own, AGENT_IP]
        name = f"mesos-local-{running['container_status']['container_id']['value']}"
        assert described["Name"] == f"/{name}"
        assert read(cluster, "stdout") == f"mine {task_id} {name}\n"
        assert read(cluster, "stderr") == "oops\n"
        assert read(cluster, "file") == "made\n"

    play(story)


def test_on_its_hosts_network_a_task_has_its_agents_address(image: str) -> None:
    """The default network; status 0 is success."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        task_id = await framework.launch(offer, "sleep 0.5", container=container(image))
        running = await framework.status(task_id, "TASK_RUNNING")
        assert address(running) == AGENT_IP
        assert description(running)["HostConfig"]["NetworkMode"] == "host"
        finished = await framework.status(task_id, "TASK_FINISHED")
        assert finished["message"] == "Container exited with status 0"

    play(story)


@pytest.fixture
def network(engine: docker.APIClient) -> Iterator[str]:
    """A network of this engine."""
    name = f"mrunkit-test-{time.monotonic_ns()}"
    engine.create_network(name)
    yield name
    engine.remove_network(name)


def test_containers_meet_on_a_network_by_name(image: str, network: str) -> None:
    """A USER network gives addresses of its own, and aliases."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, other, *_) = await framework.offers(2)
        spec = container(image, ("network-alias", "first"), network="USER")
        spec["network_infos"] = [{"name": network}]
        first = await framework.launch(offer, "sleep 1000", container=spec)
        running = await framework.status(first, "TASK_RUNNING")
        networks = description(running)["NetworkSettings"]["Networks"]
        assert address(running) == networks[network]["IPAddress"]
        # Busybox' ping needs a capability that is there by default.
        asks = "exec busybox ping -c 1 -W 20 first"
        second = await framework.launch(
            other, asks, container={**spec, "docker": {"image": image, "network": "USER"}}
        )
        await framework.status(second, "TASK_FINISHED")
        answered = [f.read_text() for f in cluster.work_dir.glob("host2-*/stdout")]
        assert address(running) in answered[0]

    play(story)


def test_a_port_of_the_task_leads_to_the_container(image: str) -> None:
    """Port mappings publish on this machine."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        mapping = {"host_port": 31999, "container_port": 80}
        ports = {"name": "ports", "type": "RANGES"}
        task_id = await framework.launch(
            offer,
            "echo hello | busybox nc -l -p 80",
            container=container(image, network="BRIDGE", port_mappings=[mapping]),
            resources=[
                scalar("cpus", 0.5),
                scalar("mem", 32),
                {**ports, "ranges": {"range": [{"begin": 31999, "end": 31999}]}},
            ],
        )
        await framework.status(task_id, "TASK_RUNNING")
        said = b""
        while not said:  # Docker's proxy accepts before nc listens
            with contextlib.suppress(ConnectionError):
                reader, writer = await asyncio.open_connection("127.0.0.1", 31999)
                said = await reader.read()
                writer.close()
        assert said == b"hello\n"
        await framework.status(task_id, "TASK_FINISHED")

    play(story)


def test_resources_are_limits_unless_options_say_otherwise(image: str) -> None:
    """--memory and --cpu-shares as Mesos has them; the job's own options win."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        offers = await framework.offers(2)
        own = [("memory", "48m"), ("memory-swap", "48m"), ("cpu-quota", "30000")]
        own += [("cap-drop", "ALL"), ("ulimit", "nofile=99"), ("shm-size", "1m"), ("init", "true")]
        limits = []
        for offer, spec in zip(offers, (container(image), container(image, *own)), strict=False):
            task_id = await framework.launch(offer, "sleep 1000", container=spec)
            limits.append(
                description(await framework.status(task_id, "TASK_RUNNING"))["HostConfig"]
            )
        plain, tuned = limits
        assert (plain["Memory"], plain["CpuShares"]) == (32 * 2**20, 512)
        assert (tuned["Memory"], tuned["MemorySwap"]) == (48 * 2**20, 48 * 2**20)
        assert (tuned["CpuQuota"], tuned["CapDrop"], tuned["Init"]) == (30000, ["ALL"], True)
        assert tuned["Ulimits"] == [{"Name": "nofile", "Soft": 99, "Hard": 99}]
        assert tuned["ShmSize"] == 2**20

    play(story)


async def failure(framework: Scheduler, spec: Json, command: Json) -> Json:
    """How a task fails that never runs."""
    (offer, *_) = await framework.offers()
    task_id = await framework.launch(offer, command, container=spec)
    status = await framework.status(task_id, "TASK_RUNNING", "TASK_FAILED")
    assert status["state"] == "TASK_FAILED"
    return status


def test_an_image_that_cannot_be_pulled_fails_the_launch(image: str) -> None:
    """The message is a real agent's, with what the engine said; there was no STARTING."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        spec = container("nonexistent.invalid/foo:1")
        status = await failure(framework, spec, {"value": "true"})
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
        assert status["source"] == "SOURCE_AGENT"
        assert status["message"].startswith(
            f"Failed to launch container: Failed to run 'docker -H {ENGINE} "
            "pull nonexistent.invalid/foo:1': exited with status 1; "
            "stderr='Error response from daemon: "
        )
        states = [e["update"]["status"]["state"] for e in framework.events if "update" in e]
        assert states == []

    play(story)


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ({"shell": False, "value": "/no/such"}, {}, "Container exited with status 127"),
        ({"shell": False, "value": "/bin"}, {}, "Container exited with status 126"),
        ({"shell": False}, {}, "Container exited with status 125"),
        (
            {"value": "true"},
            {"network": "USER"},
            "Failed to create docker run options: No network info found in container info",
        ),
    ],
)
def test_a_container_that_cannot_start_fails_without_running(
    image: str, command: Json, options: Json, message: str
) -> None:
    """With the status of `docker run`, and the engine's words after it and in stderr."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        status = await failure(framework, container(image, **options), command)
        assert status["message"].startswith(message)
        assert "reason" not in status
        if "exited" in message:
            said = read(cluster, "stderr")
            assert said.startswith("docker: Error response from daemon: ")
            assert status["message"].endswith(said.removeprefix("docker: ").removesuffix(".\n"))

    play(story)


def test_an_option_that_is_not_known_is_named(image: str) -> None:
    """Rather than left out."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        spec = container(image, ("log-driver", "none"))
        status = await failure(framework, spec, {"value": "true"})
        assert "--log-driver=none" in status["message"]

    play(story)


def test_a_kill_is_the_stop_signal_first(image: str) -> None:
    """The container may clear up, and says with which status it ended."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        line = "trap 'echo bye; exit 5' INT; echo ready; while :; do sleep 0.1; done"
        spec = container(image, ("stop-signal", "SIGINT"))
        task_id = await framework.launch(offer, line, container=spec)
        await framework.status(task_id, "TASK_RUNNING")
        await ready(cluster)
        await framework.kill(task_id, kill_policy=grace(60))
        killed = await framework.status(task_id, "TASK_KILLED")
        assert killed["message"] == "Container exited with status 5"
        assert read(cluster, "stdout") == "ready\nbye\n"

    play(story)


def grace(seconds: float) -> Json:
    return {"grace_period": {"nanoseconds": int(seconds * 1e9)}}


def test_four_that_ignore_the_signal_are_killed_together(image: str) -> None:
    """SIGKILL after the grace period: 137. Their grace periods overlap."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        offers = await framework.offers(4)
        tasks = [
            await framework.launch(offer, IGNORES_TERM, container=container(image))
            for offer in offers
        ]
        await ready(cluster, 4)
        before = time.monotonic()
        for task_id in tasks:
            await framework.kill(task_id, kill_policy=grace(3))
        for task_id in tasks:
            killed = await framework.status(task_id, "TASK_KILLED")
            assert killed["message"] == "Container exited with status 137"
        assert 3 <= time.monotonic() - before < 9  # one after the other, it would be 12

    play(story)


def test_a_kill_while_it_starts_is_not_lost(image: str) -> None:
    """KILL right after STARTING ends the container, whatever it had come to."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        task_id = await framework.launch(offer, "sleep 1000", container=container(image))
        await framework.status(task_id, "TASK_STARTING")
        await framework.kill(task_id, kill_policy=grace(0.1))
        await framework.status(task_id, "TASK_KILLED")

    play(story)


def test_a_kill_while_an_image_is_pulled_ends_the_task_at_once(image: str) -> None:
    """However long the registry lets the engine wait; the cluster's end does not wait, either."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        async with silent_registry() as (registry, called):
            offers = await framework.offers(2)
            tasks = [
                await framework.launch(offer, "true", container=container(f"{registry}/x:1"))
                for offer in offers[:2]
            ]
            await called.wait()
            await framework.kill(tasks[0])
            killed = await framework.status(tasks[0], "TASK_KILLED")
            assert killed["message"] == "Killed before delivery to the executor"

    play(story)


@contextlib.asynccontextmanager
async def silent_registry() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A registry that accepts connections and says nothing; its address, and when it is asked."""
    called = asyncio.Event()
    connected: set[asyncio.StreamWriter] = set()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)
        called.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}", called
    finally:
        server.close()
        for writer in connected:
            writer.close()


def test_a_task_that_outlives_its_framework_does_not(image: str, engine: docker.APIClient) -> None:
    """TEARDOWN ends containers, too."""

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        (offer, *_) = await framework.offers()
        task_id = await framework.launch(offer, "sleep 1000", container=container(image))
        running = await framework.status(task_id, "TASK_RUNNING")
        found = {"id": description(running)["Id"]}
        assert len(engine.containers(filters=found)) == 1
        await framework.call("TEARDOWN")
        await until(lambda: engine.containers(all=True, filters=found) == [])

    play(story)


def test_a_quick_container_is_not_missed(image: str) -> None:
    """Ten that end at once, on one agent: each has its output and its end."""

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        offer = (await framework.offers(1))[0]
        info = {
            "agent_id": offer["agent_id"],
            "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            "command": {"value": "echo done"},
            "container": container(image),
        }
        tasks = [{**info, "name": f"q{n}", "task_id": {"value": f"q{n}"}} for n in range(10)]
        launch = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
        await framework.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": [launch]})
        for task in tasks:
            finished = await framework.status(task["name"], "TASK_FINISHED")
            assert finished["message"] == "Container exited with status 0"
        outputs = [f.read_text() for f in cluster.work_dir.glob("*/stdout")]
        assert outputs == ["done\n"] * 10

    play(story)
