"""An embedded cluster in this process, in a loop and a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from leftovers import PATIENCE, descendants, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.faults import Faults

T = TypeVar("T")


class Served:
    """A cluster that serves; everything of it is touched in its own thread only."""

    def __init__(self, config: LocalConfig) -> None:
        self._cluster = LocalCluster(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster")
        self.is_serving = False

    def start(self) -> None:
        """Serve."""
        self._thread.start()
        self._finish(self._cluster.__aenter__())
        self._finish(self._cluster.isolation())  # all processes are there that stay
        self.is_serving = True

    def stop(self) -> None:
        """End, with all tasks; again: nothing."""
        if not self._thread.is_alive():
            return
        if self.is_serving:
            self.is_serving = False
            self._finish(self._cluster.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def address(self) -> str:
        """HOST:PORT of the master."""
        return self._cluster.address

    @property
    def port(self) -> int:
        """Of the master."""
        return self._cluster.port

    def call(self, function: Callable[[LocalCluster], T]) -> T:
        """Call a function with the cluster, in its thread."""

        async def in_loop() -> T:
            return function(self._cluster)

        return self._finish(in_loop())

    def fault(self, inject: Callable[[Faults], None]) -> None:
        """Inject a fault."""
        self.call(lambda cluster: inject(cluster.faults))

    def until(self, condition: Callable[[LocalCluster], bool], what: str) -> None:
        """Wait until something is so in the cluster."""
        until(lambda: self.call(condition), what)

    def _finish(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)


@contextlib.contextmanager
def serving(config: LocalConfig) -> Iterator[Served]:
    """Serve a cluster; when all is over and it still serves, nothing must be left on it."""
    served = Served(config)
    try:
        served.start()
        before = descendants().keys()
        yield served
        if served.is_serving:
            served.until(lambda cluster: not cluster.master.ledger.frameworks, "frameworks gone")
            until(lambda: descendants().keys() <= before, "tasks gone")
    finally:
        served.stop()
