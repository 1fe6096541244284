"""Blocking calls, made in threads that nobody has to wait for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Make a blocking call in a thread of its own, started at once.

    Cancelling drops the result; the call itself goes on. Unlike those of `asyncio.to_thread`,
    these threads are no limited number, and the end of the process does not wait for them: a call
    may hang as long as a registry or an engine does.
    """
    done: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(done)
