"""However an embedded cluster ends, its containers do not stay; and how it lives without Docker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from raw_scheduler import Scheduler, scheduler, until

from mrunkit.local import spawn
from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.docker_tasks import DockerExecutor

pytestmark = pytest.mark.docker

Containers = Callable[[], set[str]]

FOUR = LocalConfig(agents=4, allocation_interval=0.2)
ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
IGNORES_TERM = "trap '' TERM; while :; do sleep 0.1; done"


async def run_four(address: str, image: str) -> None:
    """Start a container on each agent, and leave them."""
    async with scheduler(address, failover_timeout=600) as framework:
        offers = await framework.offers(4)
        tasks = [await run_one(framework, offer, image) for offer in offers]
        for task_id in tasks:
            await framework.status(task_id, "TASK_RUNNING")


async def run_one(framework: Scheduler, offer: dict[str, object], image: str) -> str:
    spec = {"type": "DOCKER", "docker": {"image": image}}
    return await framework.launch(offer, IGNORES_TERM, container=spec)


def wait_until_gone(containers: Containers, before: set[str]) -> None:
    asyncio.run(until(lambda: containers() <= before))


@pytest.mark.parametrize("expects_docker", [False, True])
def test_stop_leaves_no_container(containers: Containers, image: str, expects_docker: bool) -> None:
    """They are gone when stop() returns, and so without a grace period."""
    before = containers()
    child = spawn.start(LocalConfig(agents=4, expects_docker=expects_docker))
    asyncio.run(run_four(child.address(), image))
    assert len(containers() - before) == 4
    child.stop()
    assert containers() == before


def test_a_signal_leaves_no_container(containers: Containers, image: str) -> None:
    """SIGTERM clears up, too."""
    before = containers()
    with spawn.start(FOUR) as child:
        asyncio.run(run_four(child.address(), image))
        os.kill(child.pid, signal.SIGTERM)
        wait_until_gone(containers, before)


def test_a_client_that_is_killed_leaves_no_container(containers: Containers, image: str) -> None:
    """kill -9 of the client closes the lifeline; the child clears up."""
    before = containers()
    script = (
        "import sys; from mrunkit.local import spawn; from mrunkit.local.config import *;"
        "child = spawn.start(LocalConfig(agents=4)); print(child.address(), flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdout is not None
        asyncio.run(run_four(client.stdout.readline().decode().strip(), image))
        client.kill()
    wait_until_gone(containers, before)


def test_the_next_cluster_removes_what_a_killed_one_left(
    containers: Containers, image: str
) -> None:
    """kill -9 of the cluster itself: its containers go on until the next one has a Docker task."""
    before = containers()
    with spawn.start(FOUR) as child:
        asyncio.run(run_four(child.address(), image))
        os.kill(child.pid, signal.SIGKILL)
    left = containers() - before
    assert len(left) == 4
    with spawn.start(FOUR) as following:
        asyncio.run(run_four(following.address(), image))
        wait_until_gone(containers, before | (containers() - left))


def test_gc_removes_what_a_killed_cluster_left(
    containers: Containers, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers, of whatever framework, and its directory; not those of one that lives."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    words = [sys.executable, "-m", "mrunkit", "gc", "--json"]
    before = containers()
    with spawn.start(FOUR) as alive:
        asyncio.run(run_four(alive.address(), image))
        of_alive = containers() - before
        child = spawn.start(FOUR)
        asyncio.run(run_four(child.address(), image))
        os.kill(child.pid, signal.SIGKILL)
        directories = len(list(tmp_path.glob("mrunkit-local-*")))
        # Not stop(), by which a client that lives clears up after its cluster.
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        removed = [entry["kind"] for entry in json.loads(done.stdout) if not entry["error"]]
        assert (directories, len(list(tmp_path.glob("mrunkit-local-*")))) == (2, 1)
        assert containers() - before == of_alive
        assert [removed.count("container") >= 4, "files" in removed] == [True, True]
        child.stop()


def test_a_cluster_leaves_the_containers_of_others_alone(
    containers: Containers, image: str
) -> None:
    """Two clusters of one machine, both alive."""
    with spawn.start(FOUR) as first, spawn.start(FOUR) as second:
        before = containers()
        asyncio.run(run_four(first.address(), image))
        of_first = containers() - before
        asyncio.run(run_four(second.address(), image))
        second.stop()
        assert of_first <= containers()


@contextlib.asynccontextmanager
async def way_to_engine(path: Path) -> AsyncIterator[None]:
    """A socket that leads to the engine, until it is cut off."""
    writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(ENGINE)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        os.unlink(path)  # noqa: PTH108 - takes no time worth awaiting
        for writer in writers:
            writer.close()


# The SDK does not close a socket that could not connect.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket")
def test_tasks_fail_with_the_engine_and_run_again_when_it_is_back(
    containers: Containers, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost engine is told; the next task connects anew, and what went on unseen is removed."""
    before = containers()

    async def story(path: Path) -> None:
        async with (
            DockerExecutor() as executor,
            LocalCluster(FOUR, docker=executor) as cluster,
            scheduler(cluster.address) as framework,
        ):
            first, second, third, _ = await framework.offers(4)
            async with way_to_engine(path):
                running = await run_one(framework, first, image)
                await framework.status(running, "TASK_RUNNING")
            lost = await framework.status(running, "TASK_FAILED")
            assert "the Docker engine has gone" in lost["message"]
            refused = await run_one(framework, second, image)
            status = await framework.status(refused, "TASK_FAILED")
            assert status["message"] == (
                f"Failed to launch container: Cannot connect to the Docker daemon at unix://{path}."
                " Is the docker daemon running?"
            )
            async with way_to_engine(path):
                again = await run_one(framework, third, image)
                await framework.status(again, "TASK_RUNNING")
                assert len(containers() - before) == 1
                await framework.kill(again, kill_policy={"grace_period": {"nanoseconds": 0}})
                await framework.status(again, "TASK_KILLED")
                # Without its engine nobody could wait for that.
                await until(lambda: containers() <= before)

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "docker.sock")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        asyncio.run(story(path))
