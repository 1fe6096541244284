"""What an agent does with tasks: an agent of mrunkit's embedded cluster, on a host of its own.

Commands run as their user in a session of their own, containers on the host's Docker engine.
"""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from mrunkit.containers.limits import limits_here
from mrunkit.local.agent import Agent, Host, TaskKind
from mrunkit.local.config import LocalConfig
from mrunkit.local.docker_tasks import DockerExecutor
from mrunkit.local.launcher_process import Isolation
from mrunkit.local.messages import (
    AcknowledgeUpdate,
    DiscardTask,
    Effect,
    ForwardUpdate,
    KillTask,
    LaunchTask,
    ResendUpdates,
    ShutdownFramework,
)
from mrunkit.local.processes import ProcessExecutor
from mrunkit.local.wire import TaskInfo


class Running:
    """The tasks of this host, on an event loop in a thread of its own."""

    def __init__(
        self, host: Host, work_dir: Path, forward: Callable[[ForwardUpdate], None]
    ) -> None:
        self._host = host
        self._sandboxes = work_dir / "slaves"
        self._forward = forward
        self._loop: asyncio.AbstractEventLoop
        self._agent: Agent
        self._is_ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        self._is_ready.wait()

    def carry_out(self, order: Effect) -> None:
        """Do what the master wants; returns at once."""
        self._loop.call_soon_threadsafe(self._carry_out, order)

    def tasks(self) -> list[tuple[str, str]]:
        """The tasks that the master is to know of: framework and id."""

        async def look() -> list[tuple[str, str]]:
            return sorted(self._agent.running())

        return asyncio.run_coroutine_threadsafe(look(), self._loop).result()

    async def _run(self) -> None:
        self._sandboxes.mkdir(exist_ok=True)
        self._loop = asyncio.get_running_loop()
        async with ProcessExecutor(Isolation.SESSION) as processes, DockerExecutor() as docker:
            self._agent = Agent(
                self._host,
                LocalConfig(),
                work_dir=self._sandboxes,
                executors={TaskKind.COMMAND: processes, TaskKind.DOCKER: docker},
                clock=time.time,
                forward=self._forward,
            )
            self._is_ready.set()
            await self._loop.create_future()  # until the process ends

    def _carry_out(self, order: Effect) -> None:
        match order:
            case LaunchTask():
                self._agent.launch(replace(order, task=_within_limits(order.task)))
            case KillTask():
                self._agent.kill(order)
            case DiscardTask(framework_id=framework_id, task_id=task_id):
                self._agent.discard((framework_id, task_id))
            case AcknowledgeUpdate(framework_id=framework_id, task_id=task_id, uuid=uuid):
                self._agent.acknowledge((framework_id, task_id), uuid)
            case ResendUpdates(framework_id=framework_id):
                self._agent.resend(framework_id)
            case ShutdownFramework(framework_id=framework_id):
                self._agent.shutdown_framework(framework_id)


def _within_limits(task: TaskInfo) -> TaskInfo:
    """The task with limits as far as this host can raise them: a container may not at all."""
    if not task.is_docker:
        return task
    limits = asdict(limits_here())
    info = copy.deepcopy(task.json)
    for parameter in info["container"]["docker"].get("parameters", ()):
        name = parameter["value"].partition("=")[0]
        if parameter["key"] == "ulimit" and name in limits:
            parameter["value"] = f"{name}={limits[name]}:{limits[name]}"
    return TaskInfo.parse(info)
