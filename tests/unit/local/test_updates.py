"""Updates are sent in order, one at a time, again until acknowledged."""

from __future__ import annotations

from mrunkit.local.status import Status, TaskState, fresh_uuid, is_uuid
from mrunkit.local.updates import LONGEST_RESEND, UpdateStreams

KEY = ("framework", "task")


def status(state: TaskState, uuid: str) -> Status:
    return Status(task_id="task", state=state, timestamp=0, source="SOURCE_EXECUTOR", uuid=uuid)


STARTING = status(TaskState.STARTING, "one")
RUNNING = status(TaskState.RUNNING, "two")


def test_the_second_update_waits_for_the_first_acknowledgement() -> None:
    """A task's next update is sent when the one before is acknowledged."""
    streams = UpdateStreams()
    assert streams.add(KEY, STARTING, 0) == STARTING
    assert streams.add(KEY, RUNNING, 0) is None
    assert streams.latest(KEY) == RUNNING
    assert streams.acknowledge(KEY, "one", 1) == RUNNING
    assert streams.acknowledge(KEY, "two", 2) is None
    assert streams.next_due() is None


def test_tasks_do_not_wait_for_each_other() -> None:
    """Each task has a stream of its own."""
    streams = UpdateStreams()
    streams.add(KEY, STARTING, 0)
    assert streams.add(("framework", "other"), RUNNING, 0) == RUNNING


def test_an_update_is_sent_again_at_ten_thirty_and_seventy_seconds() -> None:
    """Intervals double, as measured of a real agent."""
    streams = UpdateStreams()
    streams.add(KEY, STARTING, 0)
    sent = []
    for second in range(100):
        sent += [second for _ in streams.due(second)]
    assert sent == [10, 30, 70]


def test_intervals_do_not_grow_for_ever() -> None:
    """Between two sendings there are at most ten minutes."""
    streams = UpdateStreams()
    streams.add(KEY, STARTING, 0)
    now = 0.0
    for _ in range(20):
        due = streams.next_due()
        assert due is not None
        assert due - now <= LONGEST_RESEND
        now = due
        assert streams.due(now) == [(KEY, STARTING)]


def test_a_wrong_acknowledgement_is_ignored() -> None:
    """An unknown uuid, or one acknowledged before, changes nothing."""
    streams = UpdateStreams()
    streams.add(KEY, STARTING, 0)
    streams.add(KEY, RUNNING, 0)
    assert streams.acknowledge(KEY, "two", 1) is None
    assert streams.acknowledge(("framework", "unknown"), "one", 1) is None
    assert streams.under_way("framework") == [(KEY, STARTING)]


def test_a_framework_that_comes_back_is_sent_what_is_under_way() -> None:
    """Only the first update of each of its own tasks."""
    streams = UpdateStreams()
    streams.add(KEY, STARTING, 0)
    streams.add(KEY, RUNNING, 0)
    streams.add(("other", "task"), STARTING, 0)
    assert streams.under_way("framework") == [(KEY, STARTING)]
    streams.forget(KEY)
    assert streams.under_way("framework") == []


def test_uuids_are_those_that_mesos_takes() -> None:
    """Ours are valid; wrong lengths, versions and encodings are not."""
    assert is_uuid(fresh_uuid())
    assert not is_uuid("AAAA")
    assert not is_uuid("oK3NJRBDYEgB22M9ngAXeQ==")
    assert not is_uuid("not base64!")
