"""The master against a recording of a real one: same calls in, same events out."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mrunkit.local import calls, records
from mrunkit.local.config import LocalConfig
from mrunkit.local.master import Master
from mrunkit.local.messages import (
    AcknowledgeUpdate,
    Effect,
    ForwardUpdate,
    ResendUpdates,
    SendEvent,
    ShutdownFramework,
)
from mrunkit.local.status import Status, TaskState
from mrunkit.local.updates import TaskKey, UpdateStreams
from mrunkit.local.wire import FrameworkInfo
from mrunkit.scheduler.resources import Resources

Record = dict[str, Any]

TRACE = Path(__file__).parents[2] / "data" / "mesos" / "trace.jsonl"

HOST1 = Resources(cpus=4, mem=2048, disk=10000, ports=((31000, 31099),))


def sessions() -> dict[str, list[Record]]:
    """The recorded experiments by letter; each letter had a master of its own."""
    by_letter: dict[str, list[Record]] = defaultdict(list)
    for line in TRACE.read_text().splitlines():
        record = json.loads(line)
        if record["dir"] in ("call", "event", "stream-end"):
            by_letter[record["exp"][0]].append(record)
    return by_letter


def status_of(wire: Record) -> Status:
    """An executor's or agent's status, back from the wire."""
    return Status(
        task_id=wire["task_id"]["value"],
        state=TaskState(wire["state"]),
        timestamp=wire["timestamp"],
        source=wire["source"],
        message=wire.get("message"),
        reason=wire.get("reason"),
        agent_id=wire["agent_id"]["value"],
        executor_id=wire["executor_id"]["value"],
        uuid=wire["uuid"],
        container_status=wire.get("container_status"),
    )


def agent_updates(recording: list[Record]) -> Iterator[tuple[str, Status]]:
    """The updates that the recorded agent made, once each, with the scheduler they were for."""
    seen: set[str] = set()
    for record in recording:
        if record["dir"] == "event" and record["body"]["type"] == "UPDATE":
            wire = record["body"]["update"]["status"]
            if wire.get("uuid") not in (None, *seen):
                seen.add(wire["uuid"])
                yield record["s"], status_of(wire)


class Replay:
    """Feeds a recording's calls to a master and compares its events with the recorded ones.

    The recorded agent's updates and the scheduler's disconnections are inputs, too; a tick comes
    when an offer was recorded. Ids of offers, frameworks and streams may differ.
    """

    def __init__(self, recording: list[Record]) -> None:
        self.recording = recording
        subscribed = next(
            r["body"]["subscribed"]
            for r in recording
            if r["dir"] == "event" and r["body"]["type"] == "SUBSCRIBED"
        )
        master_id = subscribed["master_info"]["id"]
        start = recording[0]["t"]
        self.master = Master(LocalConfig(), master_id=master_id, port=5050, now=start)
        agent = records.Agent(
            id=f"{master_id}-S0",
            hostname="host1",
            ip="127.0.0.1",
            port=5051,
            total=HOST1,
            attributes={"rack": "r1"},
            registered_at=start,
        )
        self.master.add_agent(agent, start)
        self.ours: dict[str, str] = {}
        self.streams: dict[str, str] = {}
        self.frameworks: dict[str, str] = {}
        self.pending: dict[str, deque[Record]] = defaultdict(deque)
        self.subscriptions = 0
        self.agent_updates = deque(sorted(agent_updates(recording), key=lambda u: u[1].timestamp))
        self.agent = UpdateStreams()

    def run(self) -> Iterator[tuple[Record, Record]]:
        """Pairs of a recorded event and ours, without ids and times."""
        for record in self.recording:
            self.let_agent_act(record["t"])
            match record["dir"]:
                case "call":
                    self.feed_call(record)
                case "stream-end":
                    # The recorder's own way to leave; the other is the master's clean end.
                    if "IncompleteRead" in record["err"]:
                        stream_id = self.streams[record["s"]]
                        self.take(self.master.stream_closed(stream_id, record["t"]), record["t"])
                case _:
                    if record["body"]["type"] != "HEARTBEAT":
                        yield self.compare(record)

    def let_agent_act(self, now: float) -> None:
        while self.agent_updates and self.agent_updates[0][1].timestamp <= now:
            scheduler, status = self.agent_updates.popleft()
            key = (self.frameworks[scheduler], status.task_id)
            self.forward(key, self.agent.add(key, status, status.timestamp))
        for key, again in self.agent.due(now):
            self.forward(key, again)

    def forward(self, key: TaskKey, status: Status | None) -> None:
        if status is not None:
            report = ForwardUpdate(
                agent_id=status.agent_id or "",
                framework_id=key[0],
                status=status,
                latest=self.agent.latest(key) or status,
            )
            self.take(self.master.forward_update(report), status.timestamp)

    def feed_call(self, record: Record) -> None:
        scheduler, now = record["s"], record["t"]
        body = json.loads(self.translated(json.dumps(record["body"])))
        call = calls.parse_call(json.dumps(body).encode())
        if call.type is calls.CallType.SUBSCRIBE:
            self.subscriptions += 1
            stream_id = f"{scheduler}/{self.subscriptions}"
            info = FrameworkInfo.parse(call.body["framework_info"])
            effects = self.master.subscribe(info, stream_id, call.body, now)
            self.streams[scheduler] = stream_id
        else:
            try:
                effects = self.master.call(call, self.streams[scheduler], now)
            except calls.RefusedError:
                return
        self.take(effects, now)

    def translated(self, text: str) -> str:
        return re.sub(r"[0-9a-f-]{36}-O?[0-9]+", lambda m: self.ours.get(m[0], m[0]), text)

    def take(self, effects: Sequence[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case SendEvent(stream_id=stream_id, event=event) if event["type"] != "HEARTBEAT":
                    self.pending[stream_id.partition("/")[0]].append(event)
                case AcknowledgeUpdate():
                    key = (effect.framework_id, effect.task_id)
                    self.forward(key, self.agent.acknowledge(key, effect.uuid, now))
                case ResendUpdates(framework_id=framework_id):
                    for key, status in self.agent.under_way(framework_id):
                        self.forward(key, status)
                case ShutdownFramework(framework_id=framework_id):
                    for key, _ in self.agent.under_way(framework_id):
                        self.agent.forget(key)
                case _:
                    continue

    def compare(self, record: Record) -> tuple[Record, Record]:
        scheduler, body = record["s"], record["body"]
        queue = self.pending[scheduler]
        if body["type"] == "OFFERS" and not any(e["type"] == "OFFERS" for e in queue):
            self.take(self.master.tick(record["t"]), record["t"])
        ours = next((e for e in queue if e["type"] == body["type"]), {"type": "nothing"})
        if ours in queue:
            queue.remove(ours)
        self.learn(scheduler, body, ours)
        translated = json.loads(self.translated(json.dumps(body)))
        return without_times(translated), without_times(ours)

    def learn(self, scheduler: str, theirs: Record, ours: Record) -> None:
        if theirs["type"] == ours["type"] == "SUBSCRIBED":
            key = theirs["subscribed"]["framework_id"]["value"]
            self.ours[key] = ours["subscribed"]["framework_id"]["value"]
            self.frameworks[scheduler] = self.ours[key]
        if theirs["type"] == ours["type"] == "OFFERS":
            pairs = zip(theirs["offers"]["offers"], ours["offers"]["offers"], strict=False)
            for their_offer, our_offer in pairs:
                self.ours[their_offer["id"]["value"]] = our_offer["id"]["value"]


def without_times(event: Record) -> Record:
    plain: Record = json.loads(re.sub(r'"timestamp": [0-9.]+', '"timestamp": 0', json.dumps(event)))
    return plain


@pytest.mark.parametrize("letter", ["A", "B", "C", "F"])
def test_master_sends_the_events_that_a_real_one_sent(letter: str) -> None:
    """Fed with the calls of a recording, the master sends its events, but for ids and times."""
    replay = Replay(sessions()[letter])
    replayed = list(replay.run())
    assert len(replayed) > 15
    for number, (theirs, ours) in enumerate(replayed):
        assert (number, theirs) == (number, ours)
    unrecorded = [event for events in replay.pending.values() for event in events]
    assert unrecorded == []
