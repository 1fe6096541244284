"""Tasks as Docker containers of this machine.

Owns the life of a container from its image to its removal, which leaves nothing: Docker removes
it as soon as it has ended (`--rm`), also if this cluster was killed meanwhile. Containers that
then go on running carry the cluster's process in a label; the next cluster with a Docker task
removes them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mrunkit.local.docker_connection import Connection, connect, remove_containers
from mrunkit.local.docker_options import (
    ImageSource,
    OptionError,
    container_name,
    container_request,
    image_source,
)
from mrunkit.local.docker_words import EngineError, pull_failure, start_failure_status
from mrunkit.local.executor import Ended, Launch, LaunchError, Started
from mrunkit.local.owner import OWNER_LABEL, is_owner_gone, own_label
from mrunkit.local.threads import in_thread
from mrunkit.local.wire import Json

if TYPE_CHECKING:
    from mrunkit.local.docker_engine import Engine

log = logging.getLogger(__name__)

REMOVAL_TIMEOUT = 10.0
"""Seconds from a container's end until its removal by the engine is not waited for any more."""

DEFAULT_STOP_SIGNAL = "SIGTERM"


class DockerExecutor:
    """Runs Docker tasks, as long as its `async with` block; connects when the first one comes."""

    def __init__(self) -> None:
        self._connecting: asyncio.Task[Connection] | None = None
        self._was_lost = False
        self._fetching: dict[ImageSource, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """Those whose containers are not all gone."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pending in (*self._fetching.values(), self._sweeping):
            if pending is not None:
                pending.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
            if connection := _connection_of(self._connecting):
                connection.close()

    def connect(self) -> None:
        """Connect to the engine unless that was done; whether it succeeds shows with a task."""
        if self._connecting is not None and self._connecting.done():
            connection = _connection_of(self._connecting)
            if connection is None or connection.is_lost:
                self._was_lost |= connection is not None
                self._connecting = None
        if self._connecting is None:
            self._connecting = asyncio.create_task(connect(is_again=self._was_lost))
            self._connecting.add_done_callback(self._sweep)

    async def prepare(self, launch: Launch) -> None:
        """See that the image is here."""
        engine = (await self._connected()).engine
        source = image_source(launch)
        if source not in self._fetching:
            self._fetching[source] = asyncio.create_task(_fetch(engine, source))
            self._fetching[source].add_done_callback(partial(self._fetched, source))
        try:
            # The others of a gang need it, too, even if this one does not any more.
            await asyncio.shield(self._fetching[source])
        except EngineError as error:
            message = pull_failure(source.name, engine.address, str(error))
            raise LaunchError(message) from error

    async def start(self, launch: Launch) -> DockerTask:
        """Begin to make and start a container."""
        task = DockerTask(launch, await self._connected())
        self._tasks.add(task.life)
        task.life.add_done_callback(self._tasks.discard)
        return task

    async def _connected(self) -> Connection:
        self.connect()
        assert self._connecting is not None
        try:
            return await asyncio.shield(self._connecting)
        except EngineError as error:
            raise LaunchError(str(error)) from error

    def _fetched(self, source: ImageSource, fetching: asyncio.Task[None]) -> None:
        del self._fetching[source]
        if not fetching.cancelled():
            fetching.exception()  # of no interest if nobody waits any more

    def _sweep(self, connecting: asyncio.Task[Connection]) -> None:
        if connection := _connection_of(connecting):
            self._sweeping = asyncio.create_task(
                remove_containers(connection.engine, is_owner_gone)
            )


class DockerTask:
    """A task whose container is made, runs, or has ended.

    `life` lasts until the container is removed, which nobody else need wait for: its resources
    are free as soon as it has ended. Real agents keep containers for hours.
    """

    def __init__(self, launch: Launch, connection: Connection) -> None:
        self._launch = launch
        self._connection = connection
        self._engine = connection.engine
        self._name = container_name(launch.container_id)
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[Started | None] = self._loop.create_future()
        self._grace: float | None = None
        """Seconds that it has to end in; None unless it is to end."""
        self._stop_signal = DEFAULT_STOP_SIGNAL
        self._deadline: asyncio.TimerHandle | None = None
        self._signals: set[asyncio.Task[None]] = set()
        self._fate = connection.expect(self._name)
        self._end = asyncio.create_task(self._run(), name=self._name)
        self.life = asyncio.create_task(self._live(), name=f"life of {self._name}")

    @property
    def pid(self) -> int | None:
        """Its processes are the engine's."""
        return None

    def terminate(self, grace: float) -> None:
        """The image's stop signal to the container's first process; SIGKILL after `grace`."""
        is_first = self._grace is None
        self._grace = grace
        if self._has_started():
            self._stop(is_first=is_first)

    def destroy(self) -> None:
        """SIGKILL to all of the container."""
        self._grace = 0.0
        if self._has_started():
            self._stop(is_first=False)

    async def started(self) -> Started | None:
        """Wait until the container runs; None if it could not be started."""
        return await asyncio.shield(self._started)

    async def wait(self) -> Ended:
        """How the container ended; it may take a moment until it is removed."""
        return await asyncio.shield(self._end)

    def _has_started(self) -> bool:
        return self._started.done() and self._started.result() is not None

    async def _live(self) -> None:
        await asyncio.wait({self._end})
        if self._has_started():
            try:
                await asyncio.wait_for(self._fate.gone, REMOVAL_TIMEOUT)
            except TimeoutError:
                await self._remove()
        self._connection.forget(self._name)

    async def _run(self) -> Ended:
        try:
            return await self._run_container()
        except OptionError as error:
            return _failed(f"Failed to create docker run options: {error}")
        except EngineError as error:
            await self._remove()
            with (self._launch.sandbox / "stderr").open("a") as stderr:
                stderr.write(f"docker: {error}.\n")
            return _failed(
                f"Container exited with status {start_failure_status(str(error))}: {error}"
            )
        finally:
            if not self._started.done():
                self._started.set_result(None)

    async def _run_container(self) -> Ended:
        engine, name, sandbox = self._engine, self._name, self._launch.sandbox
        request = container_request(self._launch, {OWNER_LABEL: own_label()})
        await in_thread(lambda: engine.create(request))
        # Attached before it starts, nothing is missed, and nothing need be polled.
        output = await in_thread(lambda: engine.attach(name))
        copying = in_thread(lambda: engine.copy_output(output, sandbox))
        try:
            description = await in_thread(lambda: engine.start(name))
        except EngineError:
            copying.cancel()
            raise
        self._set_started(description)
        exit_code = await self._fate.exit_code
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            await copying
        except EngineError as error:
            log.warning("lost output of container %s: %s", name, error)
        if exit_code is None:
            return _failed("Container terminated: the Docker engine has gone")
        return Ended(succeeded=exit_code == 0, message=f"Container exited with status {exit_code}")

    def _set_started(self, description: Json | None) -> None:
        if description is None:
            self._started.set_result(Started())
        else:
            self._stop_signal = description["Config"].get("StopSignal") or DEFAULT_STOP_SIGNAL
            self._started.set_result(
                Started(ip=own_address(description), data=json.dumps([description]).encode())
            )
        if self._grace is not None:
            self._stop(is_first=True)

    def _stop(self, *, is_first: bool) -> None:
        """End a container that runs, as soon as it is to."""
        if self._end.done():
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._grace:
            self._send("SIGKILL")
            return
        if is_first:
            self._send(self._stop_signal)
        self._deadline = self._loop.call_later(self._grace, self._send, "SIGKILL")

    def _send(self, signal: str) -> None:
        sending = asyncio.create_task(self._signal(signal))
        self._signals.add(sending)
        sending.add_done_callback(self._signals.discard)

    async def _signal(self, signal: str) -> None:
        try:
            await in_thread(lambda: self._engine.signal(self._name, signal))
        except EngineError as error:
            log.warning("cannot send %s to container %s: %s", signal, self._name, error)

    async def _remove(self) -> None:
        try:
            await in_thread(lambda: self._engine.remove(self._name))
        except EngineError as error:
            log.warning("cannot remove container %s: %s", self._name, error)


def own_address(description: Json) -> str | None:
    """The address of a container on its network, from its description; None on its host's."""
    networks = description["NetworkSettings"]["Networks"].values()
    return next((n["IPAddress"] for n in networks if n["IPAddress"]), None)


def _failed(message: str) -> Ended:
    return Ended(succeeded=False, message=message)


def _connection_of(connecting: asyncio.Task[Connection]) -> Connection | None:
    """What became of an attempt to connect."""
    if connecting.cancelled() or connecting.exception() is not None:
        return None
    return connecting.result()


async def _fetch(engine: Engine, source: ImageSource) -> None:
    if source.must_pull or not await in_thread(lambda: engine.has_image(source.name)):
        await in_thread(lambda: engine.pull(source.name))
