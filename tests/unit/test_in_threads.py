"""Work on many hosts at a time: in order, and ended by Ctrl-C at once."""

from __future__ import annotations

import threading
import time

import pytest

from mrunkit.in_threads import in_threads


def test_results_are_in_the_order_of_the_arguments() -> None:
    """However many work at a time, and for none at all."""
    for at_a_time in (1, 3, 100):
        squares = in_threads(lambda n: n * n, range(20), at_a_time=at_a_time, interrupt=list)
        assert squares == [n * n for n in range(20)]
    assert in_threads(str, [], at_a_time=4, interrupt=list) == []


def test_what_cannot_be_ended_is_not_waited_for() -> None:
    """Ctrl-C beside a host that takes a connection and says nothing: 15 s passed."""
    is_over = threading.Event()
    interrupted = threading.Event()

    def login(host: str) -> None:
        if host == "silent":
            is_over.wait(30)
        elif host == "ended":
            interrupted.wait(30)
        else:
            raise KeyboardInterrupt

    begun = time.monotonic()
    hosts = ["here", "silent", "ended"]
    with pytest.raises(KeyboardInterrupt):
        in_threads(login, hosts, at_a_time=3, interrupt=interrupted.set)
    assert time.monotonic() - begun < 10
    assert interrupted.is_set()
    is_over.set()
