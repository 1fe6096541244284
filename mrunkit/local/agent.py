"""An agent: starts what the master launches, and reports how it goes.

Owns the life of its tasks and the delivery of their updates. Leaves the running to executors and
all bookkeeping of resources to the master.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from mrunkit.local.config import LocalConfig
from mrunkit.local.executor import Ended, Executor, Launch, LaunchError, Running, Started
from mrunkit.local.messages import ForwardUpdate, KillTask, LaunchTask
from mrunkit.local.status import Status, TaskState, fresh_uuid
from mrunkit.local.updates import TaskKey, UpdateStreams
from mrunkit.local.wire import Json

log = logging.getLogger(__name__)


class TaskKind(Enum):
    """What runs a task."""

    COMMAND = auto()
    """A process of this machine."""
    DOCKER = auto()
    """A Docker container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What an agent's tasks see as their machine."""

    agent_id: str
    hostname: str
    ip: str


@dataclass(slots=True)
class StartFault:
    """What is to go wrong with the next starts of an agent's tasks."""

    delay: float = 0.0
    """Seconds between launch and start."""
    failure: str | None = None
    """A message with which every start fails."""


@dataclass(slots=True, kw_only=True)
class _Task:
    launch: Launch
    running: Running | None = None
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    executor_lost: bool = False
    silent: bool = False
    """Nothing about it is reported any more."""
    doomed: bool = False
    """Its host is dead: no grace."""


class Agent:
    """One agent of an embedded cluster."""

    def __init__(
        self,
        host: Host,
        config: LocalConfig,
        *,
        work_dir: Path,
        executors: Mapping[TaskKind, Executor],
        clock: Callable[[], float],
        forward: Callable[[ForwardUpdate], None],
    ) -> None:
        self.host = host
        self.start_fault = StartFault()
        self.is_connected = True
        self._config = config
        self._work_dir = work_dir
        self._executors = executors
        self._clock = clock
        self._forward_to_master = forward
        self._tasks: dict[TaskKey, _Task] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._updates = UpdateStreams(resend_first=config.resend_first)
        self._resend: asyncio.TimerHandle | None = None

    # From the master.

    def launch(self, order: LaunchTask) -> None:
        """Start a task."""
        container_id = str(uuid.uuid4())
        launch = Launch(
            task=order.task,
            framework_id=order.framework_id,
            agent_id=self.host.agent_id,
            container_id=container_id,
            user=order.user,
            role=order.role,
            hostname=self.host.hostname,
            ip=self.host.ip,
            sandbox=self._work_dir / f"{self.host.hostname}-{container_id}",
        )
        task = _Task(launch=launch)
        self._tasks[order.framework_id, order.task.id] = task
        job = asyncio.create_task(self._run(task), name=f"task {order.task.id}")
        self._jobs.add(job)
        job.add_done_callback(self._job_done)

    def kill(self, order: KillTask) -> None:
        """End a task, by SIGTERM first."""
        task = self._tasks.get((order.framework_id, order.task_id))
        if task is not None:
            self._end(task, order.grace)

    def acknowledge(self, key: TaskKey, update_uuid: str) -> None:
        """The framework has seen an update."""
        following = self._updates.acknowledge(key, update_uuid, self._clock())
        if following is not None:
            self._forward(key, following)
        self._plan_resend()

    def resend(self, framework_id: str) -> None:
        """The framework came back: send again what it has not acknowledged."""
        for key, status in self._updates.under_way(framework_id):
            self._forward(key, status)

    def resend_all(self) -> None:
        """The connection to the master is back: send again what nobody has acknowledged."""
        for key, status in self._updates.all_under_way():
            self._forward(key, status)

    def running(self) -> frozenset[TaskKey]:
        """The tasks there are, and those whose end is not acknowledged."""
        return frozenset(self._tasks) | {key for key, _ in self._updates.all_under_way()}

    def discard(self, key: TaskKey) -> None:
        """End a task that nobody knows any more, and report nothing of it."""
        self._updates.forget(key)
        task = self._tasks.get(key)
        if task is not None:
            task.silent = True
            self._end(task, None)

    def shutdown_framework(self, framework_id: str) -> None:
        """End all tasks of a framework and report nothing more of it."""
        known = self.running()
        for key in known:
            if key[0] == framework_id:
                self.discard(key)

    # Faults, and the end.

    def kill_executor(self, task_id: str) -> None:
        """The executor of a task dies, and the task with it."""
        for (_, running_id), task in self._tasks.items():
            if running_id == task_id and task.running is not None:
                task.executor_lost = True
                task.running.destroy()

    def crash(self) -> None:
        """The host dies: its tasks are gone at once and nothing is reported."""
        self._updates.clear()
        for task in self._tasks.values():
            task.silent = task.doomed = True
            task.killed.set()
            if task.running is not None:
                task.running.destroy()

    async def close(self) -> None:
        """End all tasks at once and wait until nothing of them is left."""
        self.crash()
        if self._resend is not None:
            self._resend.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)

    # Tasks.

    async def _run(self, task: _Task) -> None:
        launch = task.launch
        key = (launch.framework_id, launch.task.id)
        try:
            if not await self._prepared(task):
                self._update(
                    task,
                    TaskState.KILLED,
                    "Killed before delivery to the executor",
                    reason="REASON_TASK_KILLED_DURING_LAUNCH",
                )
                return
            task.running = await self._executor(launch).start(launch)
            self._update(task, TaskState.STARTING)
            if task.doomed:
                task.running.destroy()
            elif task.killed.is_set():
                self._end(task, None)
            started = await task.running.started()
            if started is not None:
                self._update(task, TaskState.RUNNING, started=started)
            ended = await task.running.wait()
            self._report_end(task, ended)
        except LaunchError as failure:
            message = failure.message
            if failure.reason == "REASON_CONTAINER_LAUNCH_FAILED":
                message = f"Failed to launch container: {message}"
            self._update(task, failure.state, message, reason=failure.reason)
        finally:
            del self._tasks[key]

    async def _prepared(self, task: _Task) -> bool:
        """Wait until a task can be started; False if it was killed meanwhile."""
        preparing = asyncio.create_task(self._prepare(task.launch))
        killing = asyncio.create_task(task.killed.wait())
        await asyncio.wait({preparing, killing}, return_when=asyncio.FIRST_COMPLETED)
        if not task.killed.is_set():
            killing.cancel()
            await preparing
            return True
        preparing.cancel()
        await asyncio.wait({preparing})
        if not preparing.cancelled():
            preparing.exception()  # was seen, and is of no interest any more
        return False

    async def _prepare(self, launch: Launch) -> None:
        if self.start_fault.delay:
            await asyncio.sleep(self.start_fault.delay)
        launch.sandbox.mkdir()
        if self.start_fault.failure is not None:
            raise LaunchError(self.start_fault.failure)
        await self._executor(launch).prepare(launch)

    def _executor(self, launch: Launch) -> Executor:
        kind = TaskKind.DOCKER if launch.task.is_docker else TaskKind.COMMAND
        executor = self._executors.get(kind)
        if executor is None:
            raise LaunchError("this embedded cluster runs no Docker containers")
        return executor

    def _end(self, task: _Task, grace: float | None) -> None:
        task.killed.set()
        if task.running is not None:
            for seconds in (grace, task.launch.task.kill_grace, self._config.kill_grace):
                if seconds is not None:
                    task.running.terminate(seconds)
                    return

    def _report_end(self, task: _Task, ended: Ended) -> None:
        if task.executor_lost:
            self._update(
                task, TaskState.FAILED, "Executor terminated", reason="REASON_EXECUTOR_TERMINATED"
            )
        elif task.killed.is_set():
            self._update(task, TaskState.KILLED, ended.message)
        else:
            state = TaskState.FINISHED if ended.succeeded else TaskState.FAILED
            self._update(task, state, ended.message)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if not job.cancelled() and job.exception() is not None:
            log.error("%s failed", job.get_name(), exc_info=job.exception())

    # Updates.

    def _update(
        self,
        task: _Task,
        state: TaskState,
        message: str | None = None,
        *,
        reason: str | None = None,
        started: Started | None = None,
    ) -> None:
        if task.silent:
            return
        launch = task.launch
        now = self._clock()
        status = Status(
            task_id=launch.task.id,
            state=state,
            timestamp=now,
            # Only what the agent says for its executors has a reason here.
            source="SOURCE_EXECUTOR" if reason is None else "SOURCE_AGENT",
            message=message,
            reason=reason,
            agent_id=self.host.agent_id,
            executor_id=launch.task.id,
            uuid=fresh_uuid(),
            container_status=self._container_status(task, started) if reason is None else None,
            data=started.data if started is not None else b"",
        )
        key = (launch.framework_id, launch.task.id)
        first = self._updates.add(key, status, now)
        if first is not None:
            self._forward(key, first)
        self._plan_resend()

    def _container_status(self, task: _Task, started: Started | None) -> Json:
        # As measured: only RUNNING tells a container's own address.
        ip = (started.ip if started is not None else None) or self.host.ip
        addresses = [{"protocol": "IPv4", "ip_address": ip}]
        status: Json = {
            "container_id": {"value": task.launch.container_id},
            "network_infos": [{"ip_addresses": addresses}],
        }
        if task.running is not None and task.running.pid is not None:
            status["executor_pid"] = task.running.pid
        return status

    def _forward(self, key: TaskKey, status: Status) -> None:
        if not self.is_connected:
            return
        self._forward_to_master(
            ForwardUpdate(
                agent_id=self.host.agent_id,
                framework_id=key[0],
                status=status,
                latest=self._updates.latest(key) or status,
            )
        )

    def _plan_resend(self) -> None:
        due = self._updates.next_due()
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None
        if due is not None:
            delay = max(0.0, due - self._clock())
            self._resend = asyncio.get_running_loop().call_later(delay, self._send_again)

    def _send_again(self) -> None:
        self._resend = None
        for key, status in self._updates.due(self._clock()):
            self._forward(key, status)
        self._plan_resend()
