"""An embedded cluster in this process: one master, its agents, its clock, its directory.

Owns what runs and when: it feeds the master and carries out what that decides.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mrunkit.local import records
from mrunkit.local.agent import Agent, Host, TaskKind
from mrunkit.local.calls import Call
from mrunkit.local.config import LocalConfig
from mrunkit.local.executor import Executor
from mrunkit.local.faults import Faults
from mrunkit.local.launcher_process import Isolation
from mrunkit.local.master import Master
from mrunkit.local.messages import (
    AcknowledgeUpdate,
    AgentOrder,
    CloseStream,
    DiscardTask,
    Effect,
    ForwardUpdate,
    KillTask,
    LaunchTask,
    ResendUpdates,
    SendEvent,
    ShutdownFramework,
)
from mrunkit.local.owner import DIRECTORY_PREFIX, OWNER_FILE, own_label
from mrunkit.local.processes import ProcessExecutor
from mrunkit.local.server import MasterServer, Stream
from mrunkit.local.wire import FrameworkInfo, Json

AGENT_PORT = 5051


class Clock:
    """Seconds since the epoch that never jump: the time of day was looked up once."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        """The time now."""
        return time.monotonic() + self._offset


class LocalCluster:
    """An embedded cluster that runs as long as its `async with` block."""

    def __init__(
        self,
        config: LocalConfig | None = None,
        *,
        docker: Executor | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self.config = LocalConfig() if config is None else config
        self.faults = Faults(self)
        self.agents: list[Agent] = []
        self.clock = Clock()
        self._docker = docker
        self._processes = ProcessExecutor(isolation)
        self._server = MasterServer(self)
        self._streams: dict[str, Stream] = {}
        self._timers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.work_dir = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX))
        (self.work_dir / OWNER_FILE).write_text(own_label())
        try:
            self.port = await self._server.start(self.config.port)
        except OSError:
            shutil.rmtree(self.work_dir)
            raise
        await self._processes.__aenter__()
        self.master = Master(
            self.config, master_id=str(uuid.uuid4()), port=self.port, now=self.clock()
        )
        executors: dict[TaskKind, Executor] = {TaskKind.COMMAND: self._processes}
        if self._docker is not None:
            executors[TaskKind.DOCKER] = self._docker
        for number in range(1, self.config.agents + 1):
            self._add_agent(number, executors)
        self._timers = [
            asyncio.create_task(self._tick(), name="allocation"),
            asyncio.create_task(self._beat(), name="heartbeats"),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        for stream in self._streams.values():
            stream.close()
        await asyncio.gather(*(agent.close() for agent in self.agents))
        await asyncio.gather(self._processes.__aexit__(kind, error, trace), self._server.stop())
        shutil.rmtree(self.work_dir)

    @property
    def address(self) -> str:
        """HOST:PORT of the master."""
        return f"127.0.0.1:{self.port}"

    async def isolation(self) -> Isolation:
        """How tasks are kept apart, once commands can be started."""
        return await self._processes.isolation()

    def _add_agent(self, number: int, executors: dict[TaskKind, Executor]) -> None:
        host = Host(
            agent_id=f"{self.master.id}-S{number - 1}",
            hostname=f"host{number}",
            ip=f"127.0.1.{number}",
        )
        self.agents.append(
            Agent(
                host,
                self.config,
                work_dir=self.work_dir,
                executors=executors,
                clock=self.clock,
                forward=self._forward,
            )
        )
        registered = records.Agent(
            id=host.agent_id,
            hostname=host.hostname,
            ip=host.ip,
            port=AGENT_PORT,
            total=self.config.agent_resources,
            attributes=self.config.attributes.get(number, {}),
            registered_at=self.clock(),
        )
        self._carry_out(self.master.add_agent(registered, self.clock()))

    # What the server and the faults tell the master.

    def subscribe(self, info: FrameworkInfo, stream_id: str, body: Json, stream: Stream) -> None:
        """A SUBSCRIBE came in, to be answered on that stream."""
        self._streams[stream_id] = stream
        self._carry_out(self.master.subscribe(info, stream_id, body, self.clock()))

    def call(self, call: Call, stream_id: str | None) -> None:
        """Another call came in; raises RefusedError."""
        self._carry_out(self.master.call(call, stream_id, self.clock()))

    def teardown(self, framework_id: str) -> None:
        """An operator ends a framework; raises RefusedError."""
        self._carry_out(self.master.teardown(framework_id, self.clock()))

    def stream_closed(self, stream_id: str) -> None:
        """A stream is over, for whatever reason."""
        if self._streams.pop(stream_id, None) is not None:
            self._carry_out(self.master.stream_closed(stream_id, self.clock()))

    def agent_disconnected(self, agent_id: str) -> None:
        """An agent was lost."""
        self._carry_out(self.master.agent_disconnected(agent_id, self.clock()))

    def agent_returned(self, agent: Agent) -> None:
        """An agent is back."""
        running = agent.running()
        self._carry_out(self.master.agent_returned(agent.host.agent_id, running, self.clock()))
        agent.resend_all()

    def rescind_offers(self) -> None:
        """Take back every offer that is out."""
        self._carry_out(self.master.rescind_offers())

    def stream_ids(self) -> list[str]:
        """The streams that are open."""
        return list(self._streams)

    def abort_stream(self, stream_id: str) -> None:
        """Break a stream's connection."""
        self._streams[stream_id].abort()

    def silence(self, stream_id: str) -> None:
        """Send no more heartbeats on a stream."""
        self._streams[stream_id].is_silenced = True

    def _forward(self, update: ForwardUpdate) -> None:
        self._carry_out(self.master.forward_update(update))

    # What the master decides.

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendEvent(stream_id=stream_id, event=event):
                    if stream_id in self._streams:
                        self._streams[stream_id].send(event)
                case CloseStream(stream_id=stream_id):
                    if stream_id in self._streams:
                        self._streams[stream_id].close()
                case ResendUpdates(framework_id=framework_id):
                    for agent in self.agents:
                        agent.resend(framework_id)
                case ShutdownFramework(framework_id=framework_id):
                    for agent in self.agents:
                        agent.shutdown_framework(framework_id)
                case _:
                    self._instruct(self._agent(effect.agent_id), effect)

    @staticmethod
    def _instruct(agent: Agent, order: AgentOrder) -> None:
        if not agent.is_connected:
            return
        match order:
            case LaunchTask():
                agent.launch(order)
            case KillTask():
                agent.kill(order)
            case DiscardTask(framework_id=framework_id, task_id=task_id):
                agent.discard((framework_id, task_id))
            case AcknowledgeUpdate(framework_id=framework_id, task_id=task_id, uuid=update_uuid):
                agent.acknowledge((framework_id, task_id), update_uuid)

    def _agent(self, agent_id: str) -> Agent:
        return self.agents[int(agent_id.rpartition("-S")[2])]

    # Time.

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.config.allocation_interval)
            self._carry_out(self.master.tick(self.clock()))

    async def _beat(self) -> None:
        while True:
            self._carry_out(self.master.heartbeat(self.clock()))
            due = self.master.next_heartbeat()
            wait = self.config.heartbeat_interval if due is None else due - self.clock()
            await asyncio.sleep(max(0.0, min(wait, self.config.heartbeat_interval)))
