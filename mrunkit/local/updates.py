"""Delivery of status updates: in order per task, again until acknowledged.

Owns what an agent keeps for each task until its framework has acknowledged it.
The clock is an argument, and nothing is sent from here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mrunkit.local.status import Status

LONGEST_RESEND = 600.0  # seconds

TaskKey = tuple[str, str]
"""Framework id and task id."""


@dataclass(slots=True)
class _Stream:
    pending: deque[Status] = field(default_factory=deque)
    resend_at: float = 0.0
    interval: float = 0.0


class UpdateStreams:
    """An agent's updates that are not acknowledged yet; only the first of a task is under way.

    A real agent was measured to send again 10 s after the first time, 30 s, and so on: each
    interval is twice the one before.
    """

    def __init__(self, *, resend_first: float = 10.0) -> None:
        self._resend_first = resend_first
        self._streams: dict[TaskKey, _Stream] = {}

    def add(self, key: TaskKey, status: Status, now: float) -> Status | None:
        """Queue an update; the one to be sent now, if nothing of the task is under way."""
        stream = self._streams.setdefault(key, _Stream())
        stream.pending.append(status)
        if len(stream.pending) > 1:
            return None
        return self._first_sending(stream, now)

    def acknowledge(self, key: TaskKey, uuid: str, now: float) -> Status | None:
        """Drop the update under way if that is the one; the next to be sent, if any."""
        stream = self._streams.get(key)
        if stream is None or stream.pending[0].uuid != uuid:
            return None
        stream.pending.popleft()
        if not stream.pending:
            del self._streams[key]
            return None
        return self._first_sending(stream, now)

    def due(self, now: float) -> list[tuple[TaskKey, Status]]:
        """The updates to be sent again now."""
        again = []
        for key, stream in self._streams.items():
            if stream.resend_at <= now:
                stream.interval = min(2 * stream.interval, LONGEST_RESEND)
                stream.resend_at = now + stream.interval
                again.append((key, stream.pending[0]))
        return again

    def next_due(self) -> float | None:
        """When `due` will have something; None if nothing waits."""
        return min((s.resend_at for s in self._streams.values()), default=None)

    def all_under_way(self) -> list[tuple[TaskKey, Status]]:
        """Each task's update that was sent and is not acknowledged."""
        return [(key, stream.pending[0]) for key, stream in self._streams.items()]

    def under_way(self, framework_id: str) -> list[tuple[TaskKey, Status]]:
        """The same for one framework: what it has to be sent again when it comes back."""
        return [(key, status) for key, status in self.all_under_way() if key[0] == framework_id]

    def latest(self, key: TaskKey) -> Status | None:
        """The last update queued of a task; None if all are acknowledged."""
        stream = self._streams.get(key)
        return stream.pending[-1] if stream is not None else None

    def forget(self, key: TaskKey) -> None:
        """Drop everything of a task."""
        self._streams.pop(key, None)

    def clear(self) -> None:
        """Drop everything."""
        self._streams.clear()

    def _first_sending(self, stream: _Stream, now: float) -> Status:
        stream.interval = self._resend_first
        stream.resend_at = now + self._resend_first
        return stream.pending[0]
