"""The same for each of many hosts, several at a time, so that Ctrl-C ends it.

Owns threads that wait for others' machines, of which one may never answer; knows nothing of ssh.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

END_SECONDS = 2.0
"""For threads to see that what they waited for was ended."""

A = TypeVar("A")
T = TypeVar("T")


def in_threads(
    function: Callable[[A], T],
    arguments: Iterable[A],
    *,
    at_a_time: int,
    interrupt: Callable[[], object],
) -> list[T]:
    """Call a function for each of many hosts, several at a time; results in their order.

    Whatever ends this early (Ctrl-C, say) calls `interrupt`, to end what the threads wait for. A
    login cannot be ended, and has made nothing yet: such a thread is left alone, and ends with
    this process. One of an executor would keep it from ending.
    """
    calls: list[tuple[Future[T], A]] = [(Future(), argument) for argument in arguments]
    todo = iter(calls)
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                call = next(todo, None)
            if call is None:
                return
            future, argument = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(argument))
                except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                    future.set_exception(error)

    futures = [future for future, _ in calls]
    for _ in range(min(at_a_time, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    try:
        return [future.result() for future in futures]
    except BaseException:
        running = [future for future in futures if not future.cancel()]
        interrupt()
        wait(running, timeout=END_SECONDS)
        raise
