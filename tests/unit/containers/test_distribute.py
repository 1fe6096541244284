"""Bringing an image to hosts, decided without any: fakes answer as docker does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from mrunkit.containers.distribute import (
    Archive,
    DistributeError,
    HostResult,
    Outcome,
    StoppedError,
    bring,
    distribute,
    require_name,
)
from mrunkit.containers.engine import EngineError
from mrunkit.containers.images import ImageInfo, image_info
from mrunkit.inventory import Host
from mrunkit.ssh import Completed, SshError

ID = "sha256:" + "5" * 64
SHIPPED = "mpi:mrunkit-555555555555"
PATIENCE = 30.0


def image(name: str = "mpi:1") -> ImageInfo:
    """The image to be distributed."""
    return image_info(name, {"Id": ID, "RepoTags": ["mpi:1", "mpi:latest"], "Size": 9})


@dataclass(kw_only=True)
class FakeHost:
    """A host's shell and Docker engine; implements Remote."""

    images: dict[str, str] = field(default_factory=dict)
    """Name or id to id."""
    loading: Completed = field(default_factory=lambda: Completed(status=0, stdout="", stderr=""))
    engine_error: str = ""
    fed: bytes = b""

    def run(self, command: str, feed: Iterable[bytes] = (), *, patience: float = 0) -> Completed:
        """Answer as docker does."""
        self.fed += b"".join(feed)
        words = command.split()
        if words[2] == "inspect":
            if self.engine_error:
                return Completed(status=1, stdout="", stderr=self.engine_error)
            found = self.images.get(words[-1])
            if found is None:
                return Completed(status=1, stdout="\n", stderr=f"Error: No such image: {words[-1]}")
            return Completed(status=0, stdout=f"{found}\n", stderr="")
        if words[2] == "tag":
            self.images[words[4]] = self.images.get(words[3], words[3])
            return Completed(status=0, stdout="", stderr="")
        assert command == "docker image load --quiet"
        return self.loading

    def close(self) -> None:
        """Nothing runs in the background."""


class StalledHost(FakeHost):
    """A host that takes nothing any more, until the connection ends."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stalled = threading.Event()
        self.is_closed = threading.Event()

    def run(self, command: str, feed: Iterable[bytes] = (), *, patience: float = 0) -> Completed:
        """Wait for the connection's end."""
        self.is_stalled.set()
        assert self.is_closed.wait(PATIENCE), "nobody ended the connection"
        raise SshError("lost the connection")

    def close(self) -> None:
        """End the connection."""
        self.is_closed.set()


class Shown:
    """Remembers what was shown; implements Progress."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int, int]] = []

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Remember it."""
        self.lines.append((name, text, done, total))


def test_a_host_that_has_the_image_gets_nothing() -> None:
    """Its id under its name is looked for first."""
    remote = FakeHost(images={"mpi:1": ID})
    assert (bring(remote, image(), [b"image"]), remote.fed) == (Outcome.PRESENT, b"")


def test_a_host_gets_a_name_that_will_never_mean_another_image() -> None:
    """Jobs ask for it: the host knows no digest of an image that was not pulled."""
    remote = FakeHost(images={"mpi:1": ID})
    bring(remote, image(), [])
    assert remote.images[SHIPPED] == ID


def test_a_host_that_has_it_under_another_name_gets_the_name() -> None:
    """No byte of the image is sent."""
    remote = FakeHost(images={ID: ID, "mpi:1": "sha256:older"})
    assert (bring(remote, image(), [b"image"]), remote.fed) == (Outcome.TAGGED, b"")
    assert remote.images["mpi:1"] == ID


def test_another_image_of_that_name_is_replaced() -> None:
    """What counts is the id, not the name."""
    remote = FakeHost(images={"mpi:1": "sha256:older"})
    assert (bring(remote, image(), [b"im", b"age"]), remote.fed) == (Outcome.LOADED, b"image")


@pytest.mark.parametrize(
    ("remote", "message", "remedy"),
    [
        (
            FakeHost(engine_error="Cannot connect to the Docker daemon at unix:///x. Is ..."),
            "Docker does not run on the host",
            "systemctl start docker",
        ),
        (
            FakeHost(engine_error="Got permission denied while trying to connect to docker.sock"),
            "Docker's socket refuses us",
            "group docker",
        ),
        (
            FakeHost(loading=Completed(status=127, stdout="", stderr="sh: docker: not found")),
            "there is no docker command",
            "install Docker",
        ),
        (
            FakeHost(
                loading=Completed(status=1, stdout="", stderr="write /x: no space left on device")
            ),
            "the host has no space left for the container",
            "docker system prune",
        ),
    ],
)
def test_what_a_host_lacks_is_said_with_the_remedy(
    remote: FakeHost, message: str, remedy: str
) -> None:
    """docker's own words, explained."""
    with pytest.raises(DistributeError) as error:
        bring(remote, image(), [b"image"])
    assert str(error.value) == message
    assert remedy in (error.value.remedy or "")


def hosts(count: int) -> list[Host]:
    """Some hosts."""
    return [Host(name=f"host{number}", address="") for number in range(count)]


def test_the_image_is_saved_once_for_all_hosts_and_not_before_it_is_needed() -> None:
    """However many hosts load it at the same time, each of them gets all of it."""
    saved: list[int] = []
    remotes = {f"host{number}": FakeHost() for number in range(5)}
    remotes["host0"].images["mpi:1"] = ID

    def save() -> Iterator[bytes]:
        saved.append(1)
        yield from (b"x" * 300_000, b"y" * 300_000)

    with Archive(save) as archive:
        results = distribute(
            image(),
            hosts(5),
            archive,
            connect=lambda host: contextlib.nullcontext(remotes[host.name]),
            parallel=3,
            progress=Shown(),
        )
    assert [result.outcome for result in results] == [Outcome.PRESENT, *[Outcome.LOADED] * 4]
    assert {remote.fed for remote in remotes.values()} == {b"", b"x" * 300_000 + b"y" * 300_000}
    assert saved == [1]


def test_nothing_is_saved_if_all_hosts_have_it() -> None:
    """Saving takes seconds and as much disk as the image."""
    with Archive(lambda: pytest.fail("saved")) as archive:
        (result,) = distribute(
            image(),
            hosts(1),
            archive,
            connect=lambda _: contextlib.nullcontext(FakeHost(images={"mpi:1": ID})),
            parallel=1,
            progress=Shown(),
        )
    assert result == HostResult(host="host0", outcome=Outcome.PRESENT)


def test_a_failed_host_does_not_stop_the_others() -> None:
    """Its result says why, in its place."""

    @contextlib.contextmanager
    def connect(host: Host) -> Iterator[FakeHost]:
        if host.name == "host1":
            raise SshError("cannot reach host1", remedy="try: ssh host1")
        yield FakeHost()

    shown = Shown()
    with Archive(lambda: [b"image"]) as archive:
        results = distribute(
            image(), hosts(3), archive, connect=connect, parallel=1, progress=shown
        )
    assert results == [
        HostResult(host="host0", outcome=Outcome.LOADED),
        HostResult(
            host="host1",
            outcome=Outcome.FAILED,
            message="cannot reach host1",
            remedy="try: ssh host1",
        ),
        HostResult(host="host2", outcome=Outcome.LOADED),
    ]
    assert ("host1", "cannot reach host1", 0, 0) in shown.lines
    assert ("host2", "loading", 5, 5) in shown.lines


def test_no_more_hosts_at_a_time_than_asked_for() -> None:
    """The network and this machine's disk are others' too."""
    three = threading.Barrier(3)
    lock = threading.Lock()
    at_once = 0
    most = 0

    @contextlib.contextmanager
    def connect(_: Host) -> Iterator[FakeHost]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with contextlib.suppress(threading.BrokenBarrierError):
            three.wait(2.0)  # long enough for a third one to come
        yield FakeHost()
        with lock:
            at_once -= 1

    with Archive(lambda: [b"image"]) as archive:
        results = distribute(
            image(), hosts(6), archive, connect=connect, parallel=2, progress=Shown()
        )
    assert ({result.outcome for result in results}, most) == ({Outcome.LOADED}, 2)


def test_this_machine_itself_needs_no_ssh() -> None:
    """ansible_connection=local: the image is here."""
    here = Host(name="host0", address="localhost", is_here=True)
    with Archive(lambda: pytest.fail("saved")) as archive:
        (result,) = distribute(
            image(),
            [here],
            archive,
            connect=lambda _: pytest.fail("connected"),
            parallel=1,
            progress=Shown(),
        )
    assert result.outcome is Outcome.PRESENT


def test_an_interruption_does_not_wait_for_stalled_hosts() -> None:
    """Ctrl-C ends all connections; hosts whose turn has not come are left alone."""
    stalled = StalledHost()
    connected: list[str] = []

    def connect(host: Host) -> contextlib.nullcontext[FakeHost]:
        connected.append(host.name)
        if host.name == "host0":
            assert stalled.is_stalled.wait(PATIENCE)
            raise KeyboardInterrupt
        return contextlib.nullcontext(stalled)

    with Archive(lambda: [b"image"]) as archive, pytest.raises(KeyboardInterrupt):
        distribute(image(), hosts(9), archive, connect=connect, parallel=2, progress=Shown())
    assert (stalled.is_closed.is_set(), "host8" in connected) == (True, False)


def test_a_stopped_archive_ends_its_readers() -> None:
    """Ctrl-C must not wait until gigabytes are through."""
    with Archive(lambda: [b"x" * 1_000_000]) as archive:
        pieces = archive.pieces(lambda done, total: None)
        next(pieces)
        archive.stop()
        with pytest.raises(StoppedError):
            next(pieces)


def test_a_full_disk_is_said_with_the_way_out() -> None:
    """The archive is as large as the image."""

    def save() -> Iterator[bytes]:
        yield b"x"
        raise OSError(28, "No space left on device")

    with Archive(save) as archive, pytest.raises(DistributeError, match="No space left") as error:
        next(archive.pieces(lambda done, total: None))
    assert "TMPDIR=" in (error.value.remedy or "")


def test_progress_is_told_from_nothing_to_all() -> None:
    """In bytes; the last call says that all is sent."""
    told: list[tuple[int, int]] = []
    with Archive(lambda: [b"x" * 300_000]) as archive:
        for _ in archive.pieces(lambda done, total: told.append((done, total))):
            pass
    assert told == [(0, 300_000), (262_144, 300_000), (300_000, 300_000)]


@pytest.mark.parametrize("name", ["mpi:1", "mpi"])
def test_an_image_is_distributed_by_name(name: str) -> None:
    """Without a tag, `latest` is meant."""
    require_name(image(name))


def test_an_id_is_refused() -> None:
    """An archive made by id has no name in it: no job could ask for what hosts load."""
    with pytest.raises(EngineError) as error:
        require_name(image(ID))
    assert error.value.remedy == "it has mpi:1, mpi:latest"
