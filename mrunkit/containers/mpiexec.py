"""mpiexec.hydra in a container of the job's image, on the job's network.

There the versions of mpiexec and hydra_pmi_proxy match, and Hydra's control port, which
has no authentication, is on the network that the encryption protects. Owns the container
from its making to its removal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import explained
from mrunkit.containers.limits import Limits
from mrunkit.containers.options import NetworkMode
from mrunkit.hydra.lines import ProxyLaunch
from mrunkit.hydra.mpiexec import ended_early, stdin_for_ranks
from mrunkit.hydra.streams import Output, Streams

if TYPE_CHECKING:
    import docker

PIECE = 1 << 16
FRAME = struct.Struct(">BxxxL")
"""Stream number and length of what follows. Source: Docker's API, attach to a container."""

STARTER = r"""
set --
read -r mrunkit_n || exit 69
while [ "$mrunkit_n" -gt 0 ]; do
    IFS= read -r mrunkit_w || exit 69
    case $mrunkit_w in
    *\\*) mrunkit_w=$(printf "%b." "$mrunkit_w"); mrunkit_w=${mrunkit_w%.} ;;
    esac
    set -- "$@" "$mrunkit_w"
    mrunkit_n=$((mrunkit_n - 1))
done
exec env MRUNKIT_LAST= mpiexec.hydra "$@"
"""
"""Waits for mpiexec's arguments on stdin, as `starter_input` writes them; the rest of stdin is
rank 0's. So the container can be made while the tasks' are, and its address is known beforehand.
The ranks' variables are in its environment; its own have names that those have not, and `env` puts
LAST_VARIABLE behind them, which shells sort as they like."""


def starter_input(arguments: Sequence[str]) -> bytes:
    """How many words there are, then a line for each, with what `printf %b` understands."""
    lines = (os.fsencode(word).replace(b"\\", b"\\\\").replace(b"\n", b"\\n") for word in arguments)
    return b"".join(line + b"\n" for line in (b"%d" % len(arguments), *lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequest:
    """What mpiexec's container is made of."""

    image: str
    network: str
    mode: NetworkMode
    name: str
    user: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    volumes: Sequence[str]
    limits: Limits


class MpiexecContainer:
    """A container in which mpiexec waits for its arguments, and then runs."""

    def __init__(
        self, engine: docker.DockerClient, request: ContainerRequest, container_id: str
    ) -> None:
        self._engine = engine
        self._request = request
        self._id = container_id
        self._channel: socket.socket
        self.pid = 0
        """Of its init, on the host."""
        self.address = ""
        """On its network; empty on the host's."""

    @classmethod
    def create(cls, engine: docker.DockerClient, request: ContainerRequest) -> MpiexecContainer:
        """Make the container and start it; blocks. Raises EngineError, with nothing left."""
        api = engine.api
        with explained(image=request.image, network=request.network):
            made = api.create_container(
                image=request.image,
                entrypoint=["/bin/sh"],
                command=["-c", STARTER],
                name=request.name,
                user=request.user,
                stdin_open=True,
                environment=dict(request.variables),
                labels=dict(request.labels),
                host_config=api.create_host_config(**_host_options(request)),
                networking_config=_networking(request),
            )
            container = cls(engine, request, made["Id"])
            try:
                container._start()
            except BaseException:
                api.remove_container(made["Id"], force=True, v=True)
                raise
        return container

    def _start(self) -> None:
        api = self._engine.api
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = api.attach_socket(self._id, params=streams)
        # The SDK wraps the socket, differently for each kind of connection to the engine.
        self._channel = getattr(attached, "_sock", attached)
        self._channel.settimeout(None)
        api.start(self._id)
        state = api.inspect_container(self._id)
        self.pid = state["State"]["Pid"]
        networks = state["NetworkSettings"]["Networks"]
        if self._request.mode is not NetworkMode.HOST:
            self.address = networks[self._request.network]["IPAddress"]

    def launch(self, arguments: Sequence[str], output: Output) -> ContainerMpiexec:
        """Let mpiexec run with these arguments; its stdin is the client's from then on."""
        self._channel.sendall(starter_input(arguments))
        return ContainerMpiexec(self, output)

    def run_streams(self, out: int, err: int) -> None:
        """Take Docker's stream apart into two pipes, to its end; blocks."""
        targets = {1: out, 2: err}
        try:
            with self._channel.makefile("rb") as stream:
                while len(head := stream.read(FRAME.size)) == FRAME.size:
                    number, length = FRAME.unpack(head)
                    _write_all(targets.get(number, err), stream.read(length))
        except OSError:
            return  # the container was removed under us; its status says why
        finally:
            os.close(out)
            os.close(err)

    def pump_stdin(self) -> None:
        """Pass on this process' stdin to its end, or to the container's; blocks."""
        source = stdin_for_ranks()
        try:
            while source >= 0 and (data := os.read(source, PIECE)):
                self._channel.sendall(data)
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has ended without reading all of it

    def wait(self) -> int:
        """Wait for its end; returns its status. Blocks."""
        with explained(image=self._request.image, network=self._request.network):
            status: int = self._engine.api.wait(self._id, timeout=None)["StatusCode"]
        return status

    def kill(self, signal: str) -> None:
        """Send a signal; blocks. That it has ended already is as good."""
        import docker.errors

        with contextlib.suppress(docker.errors.APIError):
            self._engine.api.kill(self._id, signal)

    def remove(self) -> None:
        """Remove it, running or not; blocks."""
        import docker.errors

        with contextlib.suppress(docker.errors.NotFound):
            self._engine.api.remove_container(self._id, force=True, v=True)
        self._channel.close()


class ContainerMpiexec:
    """mpiexec as it runs in its container; implements hydra.mpiexec.Launcher."""

    def __init__(self, container: MpiexecContainer, output: Output) -> None:
        self._container = container
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        self._streams = Streams(out_read, err_read, output)
        for target, arguments in (
            (container.run_streams, (out_write, err_write)),
            (container.pump_stdin, ()),
        ):
            threading.Thread(target=target, args=arguments, daemon=True).start()
        self._status = asyncio.ensure_future(asyncio.to_thread(container.wait))

    @property
    def stderr_tail(self) -> str:
        """The last it wrote to stderr, for the verdict."""
        return self._streams.stderr_tail

    @property
    def stdout_tail(self) -> str:
        """The last it wrote to stdout, for the verdict."""
        return self._streams.stdout_tail

    async def launches(self) -> tuple[ProxyLaunch, ...]:
        """Wait for the launch lines, in the order of the hosts; raises MpiexecError."""
        launches = await self._streams.launches()
        if launches is None:
            raise ended_early(await self.wait(), self.stderr_tail)
        return launches

    async def wait(self) -> int:
        """Wait for the end and the last output; returns the status."""
        status = await asyncio.shield(self._status)
        await self._streams.wait()
        return status

    async def end(self, grace: float) -> None:
        """End it: TERM, and KILL if it has not ended after `grace` seconds."""
        self._streams.hurry()
        if self._status.done():
            return
        await asyncio.to_thread(self._container.kill, "SIGTERM")
        done, _ = await asyncio.wait((self._status,), timeout=grace)
        if not done:
            await asyncio.to_thread(self._container.kill, "SIGKILL")
            await asyncio.wait((self._status,))


def _host_options(request: ContainerRequest) -> dict[str, Any]:
    from docker.types import LogConfig, Mount, Ulimit

    nofile = request.limits.nofile
    options: dict[str, Any] = {
        # Mounts, not binds, of which Docker would make again what has just been removed.
        "mounts": [
            Mount(target, source, type="bind", read_only=mode == "ro")
            for source, target, mode in (volume.split(":") for volume in request.volumes)
        ],
        "init": True,
        # All output of the ranks comes through here: the engine need not keep it as well.
        "log_config": LogConfig(type="none"),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "ulimits": [Ulimit(name="nofile", soft=nofile, hard=nofile)],
    }
    if request.mode is not NetworkMode.USER:
        options["network_mode"] = request.network
    return options


def _networking(request: ContainerRequest) -> Any:
    if request.mode is not NetworkMode.USER:
        return None
    return {"EndpointsConfig": {request.network: {}}}


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
