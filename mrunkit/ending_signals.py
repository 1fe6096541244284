"""The signals that end a command, before there is a job that they could end in order.

Imported before all else: needs nothing but the standard library's `signal`.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedBySignal(SystemExit):
    """The command ends with 128 and the signal's number; its text names the signal."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(self.status)
        self.name = signal.Signals(number).name

    def __str__(self) -> str:
        return f"ended by {self.name}"


def heeded_signals() -> tuple[signal.Signals, ...]:
    """Those that end this process: not SIGHUP under nohup."""
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(one for one in ENDING_SIGNALS if not (one is signal.SIGHUP and is_deaf))


def raise_ending_signals() -> None:
    """Let each of them raise EndedBySignal wherever the main thread is."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise EndedBySignal(number)

    for one in heeded_signals():
        signal.signal(one, end)
