"""The effects that one input has, in order, until the cluster takes them.

Owns the shape of the events that go to frameworks.
"""

from __future__ import annotations

from collections.abc import Sequence

from mrunkit.local.messages import CloseStream, Effect, SendEvent
from mrunkit.local.records import Framework
from mrunkit.local.status import Status
from mrunkit.local.wire import Json


class Outbox:
    """Collects effects; events for a framework that is not connected are dropped."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def add(self, effect: Effect) -> None:
        """Add any effect."""
        self._effects.append(effect)

    def send(self, framework: Framework, event: Json) -> None:
        """Add an event for a framework."""
        if framework.stream_id is not None:
            self.add(SendEvent(stream_id=framework.stream_id, event=event))

    def send_update(self, framework: Framework, status: Status) -> None:
        """Add an UPDATE event."""
        self.send(framework, {"type": "UPDATE", "update": {"status": status.json()}})

    def send_error(self, stream_id: str, message: str) -> None:
        """Add an ERROR event, after which the stream ends."""
        event: Json = {"type": "ERROR", "error": {"message": message}}
        self.add(SendEvent(stream_id=stream_id, event=event))
        self.add(CloseStream(stream_id=stream_id))

    def take(self) -> Sequence[Effect]:
        """All effects since the last time."""
        effects, self._effects = self._effects, []
        return effects
