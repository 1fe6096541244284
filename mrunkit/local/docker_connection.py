"""A connection to the Docker engine, and what it tells of this cluster's containers.

Owns the passage from the engine's blocking calls and its stream of events to the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrunkit.local.docker_sdk import import_sdk
from mrunkit.local.docker_words import EngineError
from mrunkit.local.owner import OWNER_LABEL, own_label
from mrunkit.local.threads import in_thread

if TYPE_CHECKING:
    from mrunkit.local.docker_engine import ContainerEvent, Engine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Fate:
    """The end of a container and its removal, once heard of; both None if the engine is lost."""

    exit_code: asyncio.Future[int | None]
    gone: asyncio.Future[None]


class Connection:
    """An engine that is watched."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_lost = False
        self._fates: dict[str, Fate] = {}
        self._loop = asyncio.get_running_loop()
        self._watch = in_thread(lambda: engine.watch(self._tell))
        self._watch.add_done_callback(self._watch_ended)

    def expect(self, name: str) -> Fate:
        """Listen for the end of a container that is about to be made."""
        fate = Fate(self._loop.create_future(), self._loop.create_future())
        self._fates[name] = fate
        if self.is_lost:
            self._lose()
        return fate

    def forget(self, name: str) -> None:
        """Listen for it no more."""
        del self._fates[name]

    def close(self) -> None:
        """Hear no more of the engine."""
        self._watch.cancel()
        self._lose()

    def _tell(self, event: ContainerEvent) -> None:
        self._loop.call_soon_threadsafe(self._saw, event)

    def _saw(self, event: ContainerEvent) -> None:
        fate = self._fates.get(event.name)
        if fate is None:
            return
        if not fate.exit_code.done():
            fate.exit_code.set_result(event.exit_code)
        if event.exit_code is None and not fate.gone.done():
            fate.gone.set_result(None)

    def _watch_ended(self, watch: asyncio.Future[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) is not None:
            log.warning("lost the Docker engine: %s", error)
        self._lose()

    def _lose(self) -> None:
        self.is_lost = True
        self.engine.close()
        for future in [f for fate in self._fates.values() for f in (fate.exit_code, fate.gone)]:
            if not future.done():
                future.set_result(None)


async def connect(*, is_again: bool) -> Connection:
    """Connect to the engine; raises EngineError.

    If a connection was lost before, its tasks have been given up, so their containers go first.
    """

    def open_engine() -> Engine:
        # Takes 0.13 s, which a cluster without Docker tasks need not pay.
        import_sdk()
        from mrunkit.local.docker_engine import Engine

        return Engine(owner_label=OWNER_LABEL, owner=own_label())

    connection = Connection(await in_thread(open_engine))
    if is_again:
        await remove_containers(connection.engine, lambda owner: owner == own_label())
    return connection


async def remove_containers(engine: Engine, is_unwanted: Callable[[str], bool]) -> None:
    """Remove the containers of embedded clusters whose owner is as asked for."""
    try:
        await in_thread(lambda: engine.remove_containers(is_unwanted))
    except EngineError as error:
        log.warning("cannot remove the containers that were left: %s", error)
