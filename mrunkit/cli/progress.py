"""A playbook's progress on stderr: a live table on a terminal, a line per step elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from mrunkit.output import PREFIX, plain
from mrunkit.provision.progress import Status
from mrunkit.provision.table import SHORT_WORDS, WORDS, describe_advance, describe_task, table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from mrunkit.provision.apply import Watcher
    from mrunkit.provision.progress import Progress

_STYLES = {
    words[status]: style
    for words in (WORDS, SHORT_WORDS)
    for status, style in {
        Status.RUNNING: "cyan",
        Status.OK: "green",
        Status.CHANGED: "yellow",
        Status.FAILED: "bold red",
        Status.UNREACHABLE: "bold red",
    }.items()
}
_FRAME = 4
"""Lines of the terminal that are not hosts: the heading, the task, the cursor's."""


class LineWatcher:
    """A line when a step is over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._progress: Progress | None = None

    def printed(self, text: str) -> None:
        """Leave it to the log."""

    def advanced(self, progress: Progress) -> None:
        """Print what is new."""
        for line in describe_advance(self._progress or progress, progress):
            print(PREFIX + line, file=self._stream, flush=True)
        self._progress = progress

    def note(self, text: str) -> None:
        """Print it."""
        print(f"{PREFIX}{text}", file=self._stream, flush=True)


class VerboseWatcher:
    """All that Ansible prints."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def printed(self, text: str) -> None:
        """Print it."""
        print(plain(text.replace("\r\n", "\n")), file=self._stream, flush=True)

    def advanced(self, progress: Progress) -> None:
        """Ansible has told."""

    def note(self, text: str) -> None:
        """Print it."""
        print(f"{PREFIX}{text}", file=self._stream, flush=True)


class TableWatcher:
    """Knows the table of the moment, which rich asks for a few times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def printed(self, text: str) -> None:
        """Leave it to the log."""

    def advanced(self, progress: Progress) -> None:
        """Keep it."""
        self._progress = progress

    def note(self, text: str) -> None:
        """Print it above the table."""
        self._console.print(f"{PREFIX}{text}", markup=False, highlight=False, soft_wrap=True)

    def render(self) -> RenderableType:
        """The table, as wide and high as the terminal at most."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        progress = self._progress
        if progress is None:
            return Text("starting Ansible")
        size = self._console.size
        fitting = table(progress, width=size.width, height=size.height - _FRAME)
        has_heading = bool(fitting.heading)
        shown = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=has_heading)
        for name in fitting.heading:
            shown.add_column(Text(name))
        for row in fitting.rows:
            style = _STYLES.get(row.label, "")
            cells = (Text(cell, style=style or _STYLES.get(cell, "")) for cell in row.cells)
            shown.add_row(Text(row.label, style=style), *cells)
        task = Text(describe_task(progress), no_wrap=True, overflow="ellipsis")
        return Group(shown, task)


@contextlib.contextmanager
def watcher(stream: TextIO, *, is_terminal: bool, is_verbose: bool) -> Iterator[Watcher]:
    """A table for a terminal, lines for a file, Ansible's own output if asked for."""
    if is_verbose:
        yield VerboseWatcher(stream)
        return
    if not is_terminal:
        yield LineWatcher(stream)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    shown = TableWatcher(console)
    live = Live(console=console, get_renderable=shown.render, refresh_per_second=4)
    live.start()
    try:
        yield shown
    finally:
        with contextlib.suppress(OSError):  # a terminal that was closed
            live.stop()
