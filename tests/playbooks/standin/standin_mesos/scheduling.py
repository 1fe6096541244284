"""What a master does for frameworks: mrunkit's embedded master, over the agents of a lab.

That one decides, and does no I/O; this carries its decisions to frameworks' streams and to agents,
who come and ask for theirs. A deactivated agent is offered all the same.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from mrunkit.local import calls, endpoints
from mrunkit.local.calls import CallType, RefusedError
from mrunkit.local.config import LocalConfig
from mrunkit.local.master import Master
from mrunkit.local.messages import (
    CloseStream,
    Effect,
    ForwardUpdate,
    ResendUpdates,
    SendEvent,
    ShutdownFramework,
)
from mrunkit.local.records import Agent, AgentState
from mrunkit.local.updates import TaskKey
from mrunkit.local.wire import FrameworkInfo, resource_object
from mrunkit.scheduler.resources import Resources
from standin_mesos.resources import port_ranges
from standin_mesos.serving import Answer, Request, Stream

BEAT_SECONDS = 1.0


class Scheduling:
    """The frameworks of a master, and the orders for its agents."""

    def __init__(self, master_id: str, port: int) -> None:
        self._lock = threading.RLock()
        self._master = Master(LocalConfig(), master_id=master_id, port=port, now=time.time())
        self._streams: dict[str, Stream] = {}
        self._orders: dict[str, queue.SimpleQueue[Effect]] = {}
        self._incarnations: dict[str, str] = {}
        threading.Thread(target=self._keep_time, daemon=True).start()

    # From frameworks.

    def call(self, request: Request) -> Answer:
        """What a request to /api/v1/scheduler gets."""
        if request.method != "POST":
            return Answer(405, "Expecting one of { 'POST' }", {"Allow": "POST"})
        content_type, accept = request.headers.get("Content-Type"), request.headers.get("Accept")
        try:
            calls.check_media(content_type, None, subscribes=False)
            call = calls.parse_call(request.text)
            if call.type is CallType.SUBSCRIBE:
                calls.check_media(content_type, accept, subscribes=True)
                return self._subscribe(call.body)
            stream_id = request.headers.get("Mesos-Stream-Id")
            with self._lock:
                self._carry_out(self._master.call(call, stream_id, time.time()))
        except RefusedError as refused:
            return Answer(refused.status, refused.text)
        return Answer(200 if call.type is CallType.UPDATE_FRAMEWORK else 202)

    def page(self, path: str) -> Any:
        """One of the pages about frameworks and tasks."""
        with self._lock:
            return endpoints.PAGES[path](self._master)

    def used(self, agent_id: str) -> dict[str, Any]:
        """What tasks hold of an agent."""
        with self._lock:
            return resource_object(self._master.ledger.used(agent_id))

    def _subscribe(self, body: dict[str, Any]) -> Answer:
        info = FrameworkInfo.parse(body["framework_info"])
        stream_id = str(uuid.uuid4())

        def begin(stream: Stream) -> None:
            with self._lock:
                self._streams[stream_id] = stream
                self._carry_out(self._master.subscribe(info, stream_id, body, time.time()))

        def end() -> None:
            with self._lock:
                if self._streams.pop(stream_id, None):
                    self._carry_out(self._master.stream_closed(stream_id, time.time()))

        return Answer(200, None, {"Mesos-Stream-Id": stream_id}, begin=begin, end=end)

    # From agents.

    def beat(self, told: dict[str, Any], agent_id: str) -> None:
        """An agent says that it is there, for the first time or again."""
        amounts = told["resources"]
        total = Resources(
            **{name: amounts[name] for name in ("cpus", "mem", "disk", "gpus")},
            ports=port_ranges(amounts["ports"]),
        )
        now = time.time()
        with self._lock:
            agent = self._master.ledger.agents.get(agent_id)
            if agent is None:
                agent = Agent(
                    id=agent_id,
                    hostname=told["hostname"],
                    ip=told["ip"],
                    port=told["port"],
                    total=total,
                    attributes=told["attributes"],
                    registered_at=now,
                )
                self._orders[agent_id] = queue.SimpleQueue()
                self._incarnations[agent_id] = told["incarnation"]
                self._carry_out(self._master.add_agent(agent, now))
                return
            agent.total, agent.attributes = total, told["attributes"]
            if self._incarnations[agent_id] != told["incarnation"]:
                # Started anew: what it ran is gone, and what it was to do is of no use.
                self._incarnations[agent_id] = told["incarnation"]
                self._orders[agent_id] = queue.SimpleQueue()
                self._carry_out(self._master.agent_disconnected(agent_id, now))
            if agent.state is not AgentState.ACTIVE:
                running: list[TaskKey] = [(key[0], key[1]) for key in told["running"]]
                self._carry_out(self._master.agent_returned(agent_id, running, now))

    def lost(self, agent_id: str) -> None:
        """An agent is silent, or is to count for nothing any more."""
        with self._lock:
            if agent_id in self._master.ledger.agents:
                self._carry_out(self._master.agent_disconnected(agent_id, time.time()))

    def orders(self, agent_id: str, wait: float) -> list[Effect]:
        """What an agent is to do, as soon as there is anything; nothing after `wait` seconds."""
        waiting = self._orders[agent_id]
        try:
            orders = [waiting.get(timeout=wait)]
        except queue.Empty:
            return []
        while not waiting.empty():
            orders.append(waiting.get())
        return orders

    def report(self, updates: Sequence[ForwardUpdate]) -> None:
        """An agent tells of its tasks."""
        with self._lock:
            for update in updates:
                self._carry_out(self._master.forward_update(update))

    # What the master decides.

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendEvent(stream_id=stream_id, event=event):
                    if stream_id in self._streams:
                        self._streams[stream_id].send(_record(event))
                case CloseStream(stream_id=stream_id):
                    if stream_id in self._streams:
                        self._streams[stream_id].close()
                case ResendUpdates() | ShutdownFramework():
                    for orders in self._orders.values():
                        orders.put(effect)
                case _:
                    self._orders[effect.agent_id].put(effect)

    def _keep_time(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            with self._lock:
                self._carry_out(self._master.tick(time.time()))
                self._carry_out(self._master.heartbeat(time.time()))


def _record(event: dict[str, Any]) -> bytes:
    """In RecordIO."""
    body = json.dumps(event).encode()
    return b"%d\n%b" % (len(body), body)
