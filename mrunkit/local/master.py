"""The master: calls and agents' reports go in, effects come out.

Owns the frameworks, the meaning of each call and the order of events on each stream. Does no I/O
and reads no clock: time is an argument of every input.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mrunkit.local import accepting
from mrunkit.local.calls import Call, CallType, RefusedError
from mrunkit.local.config import LocalConfig
from mrunkit.local.messages import (
    CloseStream,
    Effect,
    ForwardUpdate,
    ResendUpdates,
    ShutdownFramework,
)
from mrunkit.local.offering import Offering
from mrunkit.local.outbox import Outbox
from mrunkit.local.records import VERSION, Agent, AgentState, Framework, Ledger
from mrunkit.local.status import TaskState
from mrunkit.local.tasking import Tasking
from mrunkit.local.updates import TaskKey
from mrunkit.local.validation import framework_problem
from mrunkit.local.wire import FrameworkInfo, Json

LOOPBACK = 16777343
"""127.0.0.1 as MasterInfo has it: in network order, read as a little-endian number."""


class Master:
    """One master. Each input returns the effects it had, in order.

    `ledger` may be read by everyone and is changed only through inputs.
    """

    def __init__(self, config: LocalConfig, *, master_id: str, port: int, now: float) -> None:
        self.id = master_id
        self.port = port
        self.started_at = now
        self.config = config
        self.ledger = Ledger()
        self._outbox = Outbox()
        self._offering = Offering(config, self.ledger, self._outbox, master_id)
        self._tasking = Tasking(self.ledger, self._outbox)
        self._frameworks_seen = 0

    @property
    def info(self) -> Json:
        """The MasterInfo."""
        return {
            "id": self.id,
            "ip": LOOPBACK,
            "port": self.port,
            "pid": f"master@127.0.0.1:{self.port}",
            "hostname": "localhost",
            "version": VERSION,
            "address": {"hostname": "localhost", "ip": "127.0.0.1", "port": self.port},
            "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}, {}],
        }

    # From frameworks.

    def subscribe(
        self, info: FrameworkInfo, stream_id: str, body: Json, now: float
    ) -> Sequence[Effect]:
        """A framework subscribes, for the first time or again."""
        problem = framework_problem(info)
        if problem is None and info.id in self.ledger.removed:
            problem = "Framework has been removed"
        if problem is not None:
            self._outbox.send_error(stream_id, problem)
            return self._outbox.take()
        framework = self.ledger.frameworks.get(info.id or "")
        if framework is None:
            framework = self._new_framework(info, now)
        framework.suppressed = set(body.get("suppressed_roles", ()))
        self._connect(framework, info, stream_id, now)
        return self._outbox.take()

    def call(self, call: Call, stream_id: str | None, now: float) -> Sequence[Effect]:
        """Any call but SUBSCRIBE; raises RefusedError."""
        framework = self._caller(call, stream_id)
        body = call.body
        match call.type:
            case CallType.TEARDOWN:
                self._remove(framework, now)
            case CallType.ACCEPT:
                self._accept(framework, body, now)
            case CallType.DECLINE:
                self._offering.decline(framework, body, now)
            case CallType.REVIVE:
                self._offering.revive(framework, body.get("roles") or framework.info.roles, now)
            case CallType.SUPPRESS:
                framework.suppressed |= set(body.get("roles") or framework.info.roles)
            case CallType.KILL:
                self._tasking.kill(framework, body, now)
            case CallType.SHUTDOWN:
                self._tasking.shutdown_executor(framework, body)
            case CallType.ACKNOWLEDGE:
                self._tasking.acknowledge(framework, body)
            case CallType.RECONCILE:
                self._tasking.reconcile(framework, body, now)
            case CallType.UPDATE_FRAMEWORK:
                self._update_framework(framework, body, now)
            case _:
                # Executors of a framework's own, inverse offers and operations do not exist
                # here; a real master, too, answers these with 202 and nothing else.
                pass
        return self._outbox.take()

    def stream_closed(self, stream_id: str, now: float) -> Sequence[Effect]:
        """A framework's stream broke; nothing happens if it had been replaced."""
        for framework in list(self.ledger.frameworks.values()):
            if framework.stream_id == stream_id:
                self._disconnect(framework, now)
        return self._outbox.take()

    # From agents.

    def add_agent(self, agent: Agent, now: float) -> Sequence[Effect]:
        """An agent registers for the first time."""
        self.ledger.agents[agent.id] = agent
        self._offering.allocate(now)
        return self._outbox.take()

    def forward_update(self, report: ForwardUpdate) -> Sequence[Effect]:
        """An agent reports an update that its framework is to see."""
        self._tasking.forward(report)
        return self._outbox.take()

    def agent_disconnected(self, agent_id: str, now: float) -> Sequence[Effect]:
        """The connection to an agent broke."""
        agent = self.ledger.agents[agent_id]
        if agent.state is AgentState.ACTIVE:
            agent.state = AgentState.DISCONNECTED
            agent.disconnected_at = now
            self._offering.rescind_of_agent(agent_id)
            self._tasking.lose_on_disconnect(agent, now)
        return self._outbox.take()

    def agent_returned(
        self, agent_id: str, running: Collection[TaskKey], now: float
    ) -> Sequence[Effect]:
        """An agent that was lost registers again, with the tasks it still has."""
        agent = self.ledger.agents[agent_id]
        agent.state = AgentState.ACTIVE
        self._tasking.agent_returned(agent, running, now)
        self._offering.allocate(now)
        return self._outbox.take()

    # From the clock, and from who runs the cluster.

    def tick(self, now: float) -> Sequence[Effect]:
        """The allocation interval passed."""
        for framework in list(self.ledger.frameworks.values()):
            if framework.failover_until is not None and framework.failover_until <= now:
                self._remove(framework, now)
        for agent in self.ledger.agents.values():
            overdue = now - agent.disconnected_at >= self.config.agent_removal_timeout
            if agent.state is AgentState.DISCONNECTED and overdue:
                agent.state = AgentState.REMOVED
                self._tasking.lose_on_removal(agent, now)
        self._offering.rescind_overdue(now)
        self._offering.allocate(now)
        return self._outbox.take()

    def heartbeat(self, now: float) -> Sequence[Effect]:
        """Send the heartbeats that are due."""
        for framework in self.ledger.frameworks.values():
            if framework.stream_id is not None and framework.heartbeat_at <= now:
                self._outbox.send(framework, {"type": "HEARTBEAT"})
                framework.heartbeat_at = now + self.config.heartbeat_interval
        return self._outbox.take()

    def next_heartbeat(self) -> float | None:
        """When the next heartbeat is due; None without a connected framework."""
        return min(
            (f.heartbeat_at for f in self.ledger.frameworks.values() if f.stream_id is not None),
            default=None,
        )

    def teardown(self, framework_id: str, now: float) -> Sequence[Effect]:
        """An operator ends a framework; raises RefusedError."""
        framework = self.ledger.frameworks.get(framework_id)
        if framework is None:
            raise RefusedError(400, "No framework found with specified ID")
        self._remove(framework, now)
        return self._outbox.take()

    def rescind_offers(self) -> Sequence[Effect]:
        """Take back every offer that is out."""
        self._offering.rescind(list(self.ledger.offers.values()))
        return self._outbox.take()

    def _new_framework(self, info: FrameworkInfo, now: float) -> Framework:
        framework_id = info.id
        if framework_id is None:
            framework_id = f"{self.id}-{self._frameworks_seen:04}"
            self._frameworks_seen += 1
        framework = Framework(id=framework_id, info=info, registered_at=now, reregistered_at=now)
        self.ledger.frameworks[framework_id] = framework
        return framework

    def _connect(
        self, framework: Framework, info: FrameworkInfo, stream_id: str, now: float
    ) -> None:
        old_stream = framework.stream_id
        framework.info = replace(info, id=framework.id)
        framework.stream_id = stream_id
        framework.reregistered_at = now
        framework.failover_until = None
        framework.heartbeat_at = now + self.config.heartbeat_interval
        if old_stream is not None:
            self._outbox.send_error(old_stream, "Framework failed over")
        subscribed: Json = {
            "framework_id": {"value": framework.id},
            "heartbeat_interval_seconds": self.config.heartbeat_interval,
            "master_info": self.info,
        }
        self._outbox.send(framework, {"type": "SUBSCRIBED", "subscribed": subscribed})
        self._outbox.send(framework, {"type": "HEARTBEAT"})
        if old_stream is None:
            self._offering.allocate(now)
        else:
            # What the old scheduler had been offered comes again at the next tick.
            self._offering.withdraw_all(framework)
        self._outbox.add(ResendUpdates(framework_id=framework.id))

    def _disconnect(self, framework: Framework, now: float) -> None:
        framework.stream_id = None
        if framework.info.failover_timeout > 0:
            self._offering.withdraw_all(framework)
            framework.failover_until = now + framework.info.failover_timeout
        else:
            self._remove(framework, now)

    def _remove(self, framework: Framework, now: float) -> None:
        self._offering.forget(framework)
        for task in list(framework.tasks.values()):
            if not task.state.is_terminal:
                task.state = TaskState.KILLED
            framework.finish(task)
        del self.ledger.frameworks[framework.id]
        self.ledger.removed[framework.id] = framework
        self._outbox.add(ShutdownFramework(framework_id=framework.id))
        if framework.stream_id is not None:
            self._outbox.add(CloseStream(stream_id=framework.stream_id))
        framework.stream_id = None
        framework.removed_at = now

    def _caller(self, call: Call, stream_id: str | None) -> Framework:
        framework = self.ledger.frameworks.get(call.framework_id or "")
        if framework is None:
            raise RefusedError(400, "Framework cannot be found")
        if framework.stream_id is None:
            raise RefusedError(403, "Framework is not subscribed")
        if stream_id is None:
            raise RefusedError(
                400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
            )
        if stream_id != framework.stream_id:
            raise RefusedError(
                400,
                f"The stream ID '{stream_id}' included in this request didn't match the stream ID "
                f"currently associated with framework ID {framework.id}",
            )
        return framework

    def _update_framework(self, framework: Framework, body: Json, now: float) -> None:
        info = FrameworkInfo.parse(body["framework_info"])
        problem = framework_problem(info)
        if problem is not None:
            raise RefusedError(400, f"'UpdateFramework.framework_info' is not valid: {problem}")
        framework.info = replace(info, id=framework.id)
        framework.suppressed = set(body.get("suppressed_roles", ()))
        self._offering.allocate(now)

    def _accept(self, framework: Framework, body: Json, now: float) -> None:
        offer_ids = [item["value"] for item in body.get("offer_ids", ())]
        launches = accepting.launches(body.get("operations", ()))
        named = accepting.offers_named(offer_ids, framework.id, self.ledger.offers)
        for offer_id in offer_ids:
            # Even an ACCEPT that is refused uses up the offers it names.
            self._offering.withdraw(framework, offer_id)
        if isinstance(named, str):
            state = framework.lost(otherwise=TaskState.DROPPED)
            message = f"Task launched with invalid offers: {named}"
            for task in launches.tasks + launches.grouped:
                self._tasking.refuse(framework, task, state, "REASON_INVALID_OFFERS", message, now)
            return
        for task in launches.grouped:
            message = "Task groups need a default executor, which the embedded cluster has not"
            reason = "REASON_TASK_GROUP_INVALID"
            self._tasking.refuse(framework, task, TaskState.ERROR, reason, message, now)
        left = self._tasking.launch(framework, named, launches.tasks, now)
        self._offering.refuse(named[0], left, body, now)
