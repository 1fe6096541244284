"""An image from this machine's engine to hosts that reach no registry, over ssh.

It is saved once, when the first host needs it, and loaded everywhere in parallel. What a
host has already is not sent. A host that fails does not stop the others.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.explain import explain_failure
from mrunkit.containers.images import ImageInfo, shipped_name
from mrunkit.errors import MrunkitError
from mrunkit.in_threads import in_threads
from mrunkit.inventory import Host
from mrunkit.ssh import Completed, Remote

if TYPE_CHECKING:
    import docker

PIECE = 1 << 18


class Outcome(Enum):
    """What became of a host."""

    PRESENT = "present"
    """It had the image."""
    TAGGED = "tagged"
    """It had the image under another name only."""
    LOADED = "loaded"
    """The image was sent there."""
    FAILED = "failed"
    """It has no image; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """How a host ended."""

    host: str
    outcome: Outcome
    message: str = ""
    remedy: str | None = None


class Progress(Protocol):
    """Is told how far each host is, from several threads."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Of `total` bytes, `done` have been dealt with; 0: not known."""


class DistributeError(MrunkitError):
    """A host's engine does not take the image."""


class StoppedError(MrunkitError):
    """The user does not want any more."""


class Archive:
    """The saved image: made when it is first read, gone when it is closed, or we are."""

    def __init__(self, save: Callable[[], Iterable[bytes]]) -> None:
        self._save = save
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._size = 0
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def stop(self) -> None:
        """Let all readers fail at their next piece."""
        self._is_stopped = True

    def pieces(self, progress: Callable[[int, int], None]) -> Iterator[bytes]:
        """All of it, from the start; progress gets the bytes read before, and all there are."""
        with self._lock:
            if self._file is None:
                self._file, self._size = self._saved()
        position = 0
        # Not read(): the threads share the file.
        while piece := os.pread(self._file.fileno(), PIECE, position):
            self.require_going_on()
            progress(position, self._size)
            yield piece
            position += len(piece)
        progress(position, self._size)

    def _saved(self) -> tuple[BinaryIO, int]:
        # Has no name, so that nothing is left even after kill -9.
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the archive)
        try:
            for piece in self._save():
                self.require_going_on()
                file.write(piece)
            file.flush()
        except OSError as error:
            file.close()
            raise DistributeError(
                f"cannot save the image in {tempfile.gettempdir()}: {error.strerror}",
                remedy="name a directory with more space: TMPDIR=/var/tmp mrunkit image ...",
            ) from error
        except BaseException:
            file.close()
            raise
        return file, file.tell()

    def require_going_on(self) -> None:
        """Raise StoppedError after stop()."""
        if self._is_stopped:
            raise StoppedError("stopped")


def save_image(engine: docker.DockerClient, name: str) -> Iterator[bytes]:
    """The image with its name, as `docker save` writes it."""
    with explained(image=name, network=""):
        yield from engine.api.get_image(name, chunk_size=PIECE)


def distribute(
    image: ImageInfo,
    hosts: Sequence[Host],
    archive: Archive,
    *,
    connect: Callable[[Host], AbstractContextManager[Remote]],
    parallel: int,
    progress: Progress,
) -> list[HostResult]:
    """Bring the image to all hosts, `parallel` at a time; results in the order of hosts."""
    remotes: list[Remote] = []

    @contextlib.contextmanager
    def remembered(host: Host) -> Iterator[Remote]:
        with connect(host) as remote:
            remotes.append(remote)
            archive.require_going_on()  # or nobody would close this one
            yield remote

    def one(host: Host) -> HostResult:
        result = _bring_to_host(image, host, archive, remembered, progress)
        progress.show(host.name, result.message or result.outcome.value)
        return result

    def stop() -> None:
        archive.stop()
        for remote in remotes:
            remote.close()

    return in_threads(one, hosts, at_a_time=parallel, interrupt=stop)


def _bring_to_host(
    image: ImageInfo,
    host: Host,
    archive: Archive,
    connect: Callable[[Host], AbstractContextManager[Remote]],
    progress: Progress,
) -> HostResult:
    if host.is_here:
        return HostResult(host=host.name, outcome=Outcome.PRESENT)
    progress.show(host.name, "connecting")
    try:
        with connect(host) as remote:
            outcome = bring(
                remote,
                image,
                archive.pieces(
                    lambda done, total: progress.show(host.name, "loading", done, total)
                ),
            )
    except MrunkitError as error:
        return HostResult(
            host=host.name, outcome=Outcome.FAILED, message=str(error), remedy=error.remedy
        )
    return HostResult(host=host.name, outcome=outcome)


def bring(remote: Remote, image: ImageInfo, archive: Iterable[bytes]) -> Outcome:
    """Make a host have the image under its names; raises SshError, DistributeError."""
    outcome = _bring(remote, image, archive)
    shipped = shlex.quote(shipped_name(image.name, image.image_id))
    _require_success(remote.run(f"docker image tag {shlex.quote(image.name)} {shipped}"), image)
    return outcome


def _bring(remote: Remote, image: ImageInfo, archive: Iterable[bytes]) -> Outcome:
    name, image_id = shlex.quote(image.name), shlex.quote(image.image_id)
    shown = "docker image inspect --format '{{.Id}}'"
    by_name = remote.run(f"{shown} {name}")
    if by_name.stdout.strip() == image.image_id:
        return Outcome.PRESENT
    by_id = remote.run(f"{shown} {image_id}")
    if by_id.stdout.strip() == image.image_id:
        _require_success(remote.run(f"docker image tag {image_id} {name}"), image)
        return Outcome.TAGGED
    _require_engine(by_id, image)
    _require_success(remote.run("docker image load --quiet", archive), image)
    return Outcome.LOADED


def _require_engine(inspected: Completed, image: ImageInfo) -> None:
    """That the host does not have the image is why we are here; anything else is not."""
    if "no such image" not in inspected.stderr.lower():
        _require_success(inspected, image)


def _require_success(completed: Completed, image: ImageInfo) -> None:
    if completed.status == 0:
        return
    said = completed.stderr.strip()
    if completed.status == 127:
        raise DistributeError("there is no docker command", remedy="install Docker on the host")
    known = explain_failure(said, image=image.name, network="")
    if known is not None:
        raise DistributeError(known.message, remedy=known.remedy)
    last = said.rpartition("\n")[2] or f"status {completed.status}"
    raise DistributeError(f"docker says: {last}")


def require_name(image: ImageInfo) -> None:
    """Refuse an id: hosts would get an image that goes by no name."""
    if image.name in image.tags or f"{image.name}:latest" in image.tags:
        return
    names = ", ".join(image.tags) or "none; give it one: docker tag"
    raise EngineError(f"{image.name} is no name of an image to load", remedy=f"it has {names}")
