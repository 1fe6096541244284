"""How far long work is: bars on a terminal, a line per change of state elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from mrunkit.output import PREFIX, plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


_FRAME = 2
"""Lines of the terminal that are not bars."""


class Bars(Protocol):
    """Shows several things that go on at once; may be told by any thread.

    That nobody can be told any more, as the terminal was closed, is no reason to end the work.
    """

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Show what `name` does now, and how far it is; a total of 0 is not known."""


class LineBars:
    """A line whenever something begins to do something else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Print the text if it is new."""
        with self._lock:
            if self._texts.get(name) == text:
                return
            self._texts[name] = text
            with contextlib.suppress(OSError):
                print(f"{PREFIX}{name}: {plain(text)}", file=self._stream, flush=True)


class LiveBars:
    """A bar for each name, or for as many as fit: those that were shown last."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Move the bar; without a total it only pulses."""
        with self._lock, contextlib.suppress(OSError):
            task = self._tasks.pop(name, None)
            if task is None:
                task = self._progress.add_task(name, total=None, text="")
            self._tasks[name] = task  # the last one
            self._progress.update(
                task, completed=done, total=total or None, text=plain(text)[:60], visible=True
            )
            room = max(self._progress.console.size.height - _FRAME, 1)
            for hidden in list(self._tasks.values())[-room - 1 : -room]:
                self._progress.update(hidden, visible=False)


@contextlib.contextmanager
def bars(stream: TextIO, *, is_terminal: bool) -> Iterator[Bars]:
    """Bars for a terminal, lines for a file."""
    if not is_terminal:
        yield LineBars(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    progress = Progress(*columns, console=Console(file=stream))
    progress.start()
    try:
        yield LiveBars(progress)
    finally:
        with contextlib.suppress(OSError):
            progress.stop()
