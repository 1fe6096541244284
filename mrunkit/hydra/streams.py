"""mpiexec's two output streams: launch lines taken out, ranks' output relayed.

The same wherever mpiexec runs, as long as its stdout and stderr arrive in pipes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .banner import WithoutBanner, WithoutComplaints
from .labels import LabelledLines, without_marks
from .lines import LaunchLineError, LaunchReader, ProxyLaunch
from .relay import Relay, Transform

TAIL = 16384
"""Bytes of each of mpiexec's streams that are kept for the verdict."""

OUTPUT_SECONDS = 2.0
"""How long an ended mpiexec's last output may take if its reader does not read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the ranks' output goes."""

    stdout: int = 1
    stderr: int = 2
    is_labelled: bool = False
    """Whether mpiexec was told to put marks before what each rank writes."""
    on_write_failed: Callable[[OSError], None] = lambda error: None
    """Called in the loop, at most once per stream, when output cannot be written any more."""
    on_spawn: Callable[[], None] = lambda: None
    """Called in the loop, once, when mpiexec asks for more proxies, which nobody starts."""


class Streams:
    """Relays both streams from the moment it is made; owns the pipes it reads."""

    def __init__(self, out: int, err: int, to: Output) -> None:
        loop = asyncio.get_running_loop()
        self._launches: asyncio.Future[tuple[ProxyLaunch, ...]] = loop.create_future()
        labels = (LabelledLines(), LabelledLines()) if to.is_labelled else (None, None)
        self._stdout, self._stderr = _Tail(labels[0]), _Tail(labels[1])
        self._banner = WithoutBanner(self._stdout)
        self._complaints = WithoutComplaints(self._stderr)
        launches_first = _LaunchesThenOutput(self._banner, loop, self._launches, to.on_spawn)
        self._relays = (
            Relay(out, to.stdout, launches_first, to.on_write_failed),
            Relay(err, to.stderr, self._complaints, to.on_write_failed),
        )
        self._is_hurried = asyncio.Event()

    @property
    def stderr_tail(self) -> str:
        """The last of stderr, without labels."""
        return self._stderr.text

    @property
    def stdout_tail(self) -> str:
        """The last of stdout after the launch lines, without labels."""
        return self._stdout.text

    async def launches(self) -> tuple[ProxyLaunch, ...] | None:
        """Wait for the launch lines; None if stdout ended without them."""
        output = asyncio.ensure_future(self._relays[0].wait())
        await asyncio.wait((self._launches, output), return_when=asyncio.FIRST_COMPLETED)
        if not self._launches.done():
            return None
        output.cancel()
        return self._launches.result()

    def hurry(self) -> None:
        """Somebody wants the job to end: do not wait for a reader that sleeps.

        Nor let mpiexec call it a failure of the program that its ranks were ended.
        """
        self._banner.is_unwanted = self._complaints.is_unwanted = True
        self._is_hurried.set()

    async def wait(self) -> None:
        """Wait until all output was written, or nobody wants to wait for that any more."""
        written = asyncio.gather(*(relay.wait() for relay in self._relays), return_exceptions=True)
        hurried = asyncio.ensure_future(self._is_hurried.wait())
        try:
            await asyncio.wait((written, hurried), return_when=asyncio.FIRST_COMPLETED)
            if not written.done():
                # Who wants the job to end does not wait for a reader that sleeps.
                await asyncio.wait((written,), timeout=OUTPUT_SECONDS)
        finally:
            hurried.cancel()
            written.cancel()


class _Tail:
    """Passes bytes on, labelled if need be, and keeps the last of them as they came."""

    def __init__(self, inner: Transform | None) -> None:
        self._inner = inner
        self._kept = b""

    @property
    def text(self) -> str:
        return without_marks(self._kept).decode(errors="replace")

    def feed(self, data: bytes) -> bytes:
        self._kept = (self._kept + data[-TAIL:])[-TAIL:]
        return data if self._inner is None else self._inner.feed(data)

    def end(self) -> bytes:
        return b"" if self._inner is None else self._inner.end()


class _LaunchesThenOutput:
    """Takes the launch lines out of stdout and hands them to the loop."""

    def __init__(
        self,
        inner: Transform,
        loop: asyncio.AbstractEventLoop,
        launches: asyncio.Future[tuple[ProxyLaunch, ...]],
        on_spawn: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._loop = loop
        self._launches = launches
        self._reader = LaunchReader()
        self._on_spawn = on_spawn
        self._is_told = False
        self._is_spawn_told = False

    def feed(self, data: bytes) -> bytes:
        try:
            data = self._reader.feed(data)
        except LaunchLineError as error:
            self._tell(error)
            return b""
        if self._reader.is_complete:
            self._tell(None)
        if self._reader.wants_more and not self._is_spawn_told:
            self._is_spawn_told = True
            self._loop.call_soon_threadsafe(self._on_spawn)
        return self._inner.feed(data)

    def end(self) -> bytes:
        return self._inner.feed(self._reader.end()) + self._inner.end()

    def _tell(self, error: LaunchLineError | None) -> None:
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._resolve, error)

    def _resolve(self, error: LaunchLineError | None) -> None:
        if self._launches.done():
            return
        if error is None:
            self._launches.set_result(self._reader.launches)
        else:
            self._launches.set_exception(error)
