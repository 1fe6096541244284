"""Signals that end a command whose work has to be cleaned up after."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from mrunkit.ending_signals import EndedBySignal, ended_by_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of a process that was started without nohup; they are put back."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_the_work_and_the_next_do_not_disturb(number: signal.Signals) -> None:
    """A terminal that is closed is told of twice; then all is as it was."""
    done = []

    def work() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            done.append("cleaned up")

    with pytest.raises(EndedBySignal) as raised, ended_by_signals():
        work()
    assert done == ["cleaned up"]
    assert raised.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_nohup_is_heeded() -> None:
    """What is ignored stays so."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_by_signals():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
