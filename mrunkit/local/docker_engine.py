"""The Docker engine as the embedded cluster uses it, through the docker SDK.

Owns every call of the SDK, and the engine's errors in the words of its command line, which are
what a real agent reports. All functions block. Knows no tasks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Takes 0.13 s: this module is imported when the first Docker task comes.
import docker
import docker.errors
from urllib3.exceptions import HTTPError

from mrunkit.local.docker_options import ContainerRequest
from mrunkit.local.docker_words import EngineError, unreachable
from mrunkit.local.wire import Json

if TYPE_CHECKING:
    from docker.types import CancellableStream

    Output = CancellableStream[tuple[bytes | None, bytes | None]]
    """Pieces of stdout and stderr, one of them None."""

CONNECTIONS = 64
"""Kept for further calls. Beyond the SDK's default of 10, each one would be warned about."""

TIMEOUT = 120
"""Seconds. Where many containers start at once, each one may take long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """A container ended, or is gone."""

    name: str
    exit_code: int | None
    """None: it is gone."""


class Engine:
    """A connection to the engine that the environment names (DOCKER_HOST), or the local one."""

    def __init__(self, *, owner_label: str, owner: str) -> None:
        self._label = owner_label
        self.address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        try:
            # Not an APIClient of its own, which would look for no context.
            self._api = docker.from_env(max_pool_size=CONNECTIONS, timeout=TIMEOUT).api
        except docker.errors.DockerException as error:
            raise EngineError(unreachable(str(error), self.address)) from error
        with _engine_errors():
            # From now: no container of ours is older.
            self._events = self._api.events(
                since=int(time.time()),
                decode=True,
                filters={"event": ["die", "destroy"], "label": f"{owner_label}={owner}"},
            )

    def watch(self, tell: Callable[[ContainerEvent], None]) -> None:
        """Tell what becomes of this cluster's containers, until closed or the engine ends."""
        with _released(self._events):
            for event in self._events:
                about = event["Actor"]["Attributes"]
                code = int(about["exitCode"]) if event["Action"] == "die" else None
                tell(ContainerEvent(name=about["name"], exit_code=code))

    def close(self) -> None:
        """End `watch`, and keep no connection."""
        with contextlib.suppress(OSError):  # the engine was quicker
            self._events.close()
        self._api.close()

    def has_image(self, image: str) -> bool:
        """Whether an image is here."""
        with _engine_errors():
            try:
                self._api.inspect_image(image)  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return False
            return True

    def pull(self, image: str) -> None:
        """Fetch an image from its registry; raises EngineError."""
        with _engine_errors():
            for progress in self._api.pull(image, stream=True, decode=True):
                if "error" in progress:
                    raise EngineError(progress["error"])

    def create(self, request: ContainerRequest) -> None:
        """Make a container, which does not run yet."""
        api = self._api
        with _engine_errors():
            host_config = api.create_host_config(**request.host_config)
            networking = None
            if request.endpoint:
                endpoint = api.create_endpoint_config(**request.endpoint)
                network = request.host_config["network_mode"]
                # The SDK's documentation and code want this, unlike its type stubs.
                networking = api.create_networking_config({network: endpoint})  # type: ignore[arg-type]
            api.create_container(
                request.image,
                name=request.name,
                host_config=host_config,
                networking_config=networking,
                **request.config,
            )

    def attach(self, name: str) -> Output:
        """The stream of a container's output, for `copy_output`."""
        with _engine_errors():
            return self._api.attach(name, stream=True, demux=True)

    @staticmethod
    def copy_output(stream: Output, sandbox: Path) -> None:
        """Copy a container's output to the files of its sandbox, until it ends."""
        with (
            _engine_errors(),
            _released(stream),
            (sandbox / "stdout").open("ab", buffering=0) as stdout,
            (sandbox / "stderr").open("ab", buffering=0) as stderr,
        ):
            for out, err in stream:
                if out:
                    stdout.write(out)
                if err:
                    stderr.write(err)

    def start(self, name: str) -> Json | None:
        """Start a container; its description, or None if it has gone already."""
        with _engine_errors():
            self._api.start(name)
            try:
                described: Json = self._api.inspect_container(name)
            except docker.errors.NotFound:
                return None
            return described

    def signal(self, name: str, signal: str) -> None:
        """Send a container a signal; that it has ended meanwhile is as good."""
        with _engine_errors():
            try:
                self._api.kill(name, signal)
            except docker.errors.APIError as error:
                # 409: it does not run; its removal is under way.
                if error.status_code not in {404, 409}:
                    raise

    def remove(self, name: str) -> None:
        """End and remove a container; that it has gone meanwhile is as good."""
        with _engine_errors():
            try:
                self._api.remove_container(name, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:
                    raise

    def remove_containers(self, is_unwanted: Callable[[str], bool]) -> None:
        """Remove the containers of embedded clusters whose owner is as asked for."""
        with _engine_errors():
            found = self._api.containers(all=True, filters={"label": self._label})
        for container in found:
            if is_unwanted(container["Labels"][self._label]):
                self.remove(container["Id"])


@contextlib.contextmanager
def _released(stream: CancellableStream[Any]) -> Iterator[None]:
    """Close a stream's connection, which the SDK leaves to the garbage collector."""
    try:
        yield
    finally:
        stream._response.close()  # type: ignore[attr-defined]


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        said = (error.explanation or str(error)).strip()
        raise EngineError(f"Error response from daemon: {said}") from error
    # Whatever goes wrong with a connection is one of these.
    except (docker.errors.DockerException, HTTPError, OSError) as error:
        raise EngineError(str(error)) from error
