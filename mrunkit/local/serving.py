"""A cluster in the foreground, until a signal or the end of its lifeline.

Owns the signals of the process it runs in.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.docker_tasks import DockerExecutor


async def serve(
    config: LocalConfig,
    announce: Callable[[LocalCluster], None],
    *,
    lifeline: int | None = None,
) -> None:
    """Run a cluster until SIGTERM, SIGINT, or the end of what can be read from `lifeline`.

    `announce` is called once it serves.
    """
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    async with DockerExecutor() as docker, LocalCluster(config, docker=docker) as cluster:
        announce(cluster)
        if config.expects_docker:
            docker.connect()
        if lifeline is not None:
            _watch(loop, lifeline, over)
        await over.wait()


def _watch(loop: asyncio.AbstractEventLoop, lifeline: int, over: asyncio.Event) -> None:
    def read() -> None:
        if not os.read(lifeline, 4096):
            loop.remove_reader(lifeline)
            over.set()

    loop.add_reader(lifeline, read)
