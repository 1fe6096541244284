"""Moves a stream of mpiexec to where the user wants it, in a thread of its own.

A thread, since the reader at the other end may stop reading: then this thread stops too,
the pipe fills, and in the end the ranks wait, while the event loop goes on. Owns the
thread; refuses to interpret what it moves, except through the `transform` it is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from collections.abc import Callable
from typing import Protocol

PIECE = 1 << 16


class Transform(Protocol):
    """What is done to the bytes on their way."""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; returns what can be written now."""

    def end(self) -> bytes:
        """Take note of the end; returns what is left to be written."""


class Relay:
    """Reads `source` to its end, and owns it; writes to `target`, which stays open.

    If `target` fails (nobody reads any more, the disk is full), `on_write_failed` is called
    once in the loop, and the rest is read and dropped: mpiexec must not wait for ever.
    """

    def __init__(
        self,
        source: int,
        target: int,
        transform: Transform,
        on_write_failed: Callable[[OSError], None],
    ) -> None:
        self._source = source
        self._target = target
        self._transform = transform
        self._on_write_failed = on_write_failed
        self._is_writing = True
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: a write that never ends must not keep the client from ending.
        threading.Thread(target=self._run, name=f"relay to {target}", daemon=True).start()

    async def wait(self) -> None:
        """Wait until all that came was written, or given up."""
        await asyncio.shield(self._ended)

    def _run(self) -> None:
        try:
            while data := os.read(self._source, PIECE):
                self._write(self._transform.feed(data))
            self._write(self._transform.end())
        finally:
            os.close(self._source)
            self._tell(self._ended.set_result, None)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._is_writing:
            try:
                view = view[os.write(self._target, view) :]
            except BlockingIOError:
                # Somebody else made the terminal non-blocking; it is the same file for all.
                writable = select.poll()
                writable.register(self._target, select.POLLOUT)
                writable.poll()
            except OSError as error:
                self._is_writing = False
                self._tell(self._on_write_failed, error)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *arguments)
