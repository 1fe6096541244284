"""What long work shows on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.progress import Progress

from mrunkit.cli.bars import LiveBars


def test_what_goes_on_is_seen_however_many_there_are() -> None:
    """Of 500 hosts on a terminal of 12 lines, those that were told of last."""
    progress = Progress(console=Console(file=StringIO(), height=12, width=80, force_terminal=True))
    bars = LiveBars(progress)
    for index in range(500):
        bars.show(f"host{index}", "connecting")
    bars.show("host3", "loading", 1, 2)
    seen = [task.description for task in progress.tasks if task.visible]
    assert seen == ["host3", *(f"host{index}" for index in range(491, 500))]
