"""The signals that end a command, where no job is there that they could end in order.

Imported before all else: needs only what is imported by then.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
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


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let what ends us from outside raise EndedBySignal, so that work is cleaned up after.

    Ctrl-C does so by itself, as KeyboardInterrupt. Only the first one counts: of a terminal that
    is closed the shell tells, and the kernel as well, and the second must not end the cleaning up.
    """
    numbers = [one for one in heeded_signals() if one is not signal.SIGINT]

    def end(number: int, _: FrameType | None) -> NoReturn:
        for one in numbers:
            signal.signal(one, _pass_over)
        raise EndedBySignal(number)

    before = {one: signal.signal(one, end) for one in numbers}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; unlike SIG_IGN, this is not passed on to children."""
