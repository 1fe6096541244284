"""Tasks: launched on offers, killed, acknowledged, reconciled, lost with their agents.

Owns what the master knows of tasks, and the updates it makes itself. Those have no uuid and are
not to be acknowledged.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mrunkit.local.messages import (
    AcknowledgeUpdate,
    DiscardTask,
    ForwardUpdate,
    KillTask,
    LaunchTask,
)
from mrunkit.local.outbox import Outbox
from mrunkit.local.records import Agent, Framework, Ledger, Offer, Task, total
from mrunkit.local.status import Status, TaskState
from mrunkit.local.updates import TaskKey
from mrunkit.local.validation import task_problem
from mrunkit.local.wire import Json, TaskInfo, grace_seconds
from mrunkit.scheduler.resources import Resources


class Tasking:
    """Keeps the tasks of all frameworks."""

    def __init__(self, ledger: Ledger, outbox: Outbox) -> None:
        self._ledger = ledger
        self._outbox = outbox

    def launch(
        self, framework: Framework, offers: Sequence[Offer], tasks: Sequence[TaskInfo], now: float
    ) -> Resources:
        """Launch the tasks that are valid, one after the other; what the offers have left."""
        left = total(offer.resources for offer in offers)
        agent_id, role = offers[0].agent_id, offers[0].role
        for info in tasks:
            problem = task_problem(
                info, agent_id=agent_id, left=left, role=role, known=framework.tasks
            )
            if problem is not None:
                self.refuse(framework, info, TaskState.ERROR, "REASON_TASK_INVALID", problem, now)
                continue
            left -= info.resources
            framework.tasks[info.id] = Task(
                info=info, framework_id=framework.id, agent_id=agent_id, role=role
            )
            self._outbox.add(
                LaunchTask(
                    agent_id=agent_id,
                    framework_id=framework.id,
                    user=framework.info.user,
                    role=role,
                    task=info,
                )
            )
        return left

    def refuse(
        self,
        framework: Framework,
        task: TaskInfo,
        state: TaskState,
        reason: str,
        message: str,
        now: float,
    ) -> None:
        """Tell why a task was not launched."""
        status = _by_master(task.id, state, reason, message, now, agent_id=task.agent_id)
        self._outbox.send_update(framework, status)

    def kill(self, framework: Framework, body: Json, now: float) -> None:
        """Pass a KILL on to the agent."""
        task_id = body["task_id"]["value"]
        task = framework.tasks.get(task_id)
        if task is None:
            self._send_unknown(framework, task_id, body.get("agent_id"), now)
            return
        self._outbox.add(
            KillTask(
                agent_id=task.agent_id,
                framework_id=framework.id,
                task_id=task_id,
                grace=grace_seconds(body),
            )
        )

    def shutdown_executor(self, framework: Framework, body: Json) -> None:
        """End the task of a command executor, whose id is the task's."""
        task = framework.tasks.get(body["executor_id"]["value"])
        if task is not None and task.agent_id == body["agent_id"]["value"]:
            self._outbox.add(
                KillTask(agent_id=task.agent_id, framework_id=framework.id, task_id=task.info.id)
            )

    def acknowledge(self, framework: Framework, body: Json) -> None:
        """Pass an acknowledgement on; a task whose end was acknowledged is over."""
        task_id, agent_id, uuid = body["task_id"]["value"], body["agent_id"]["value"], body["uuid"]
        if agent_id not in self._ledger.agents:
            return
        task = framework.tasks.get(task_id)
        if task is not None and task.statuses:
            last = task.statuses[-1]
            if last.uuid == uuid and last.state.is_terminal:
                framework.finish(task)
        self._outbox.add(
            AcknowledgeUpdate(
                agent_id=agent_id, framework_id=framework.id, task_id=task_id, uuid=uuid
            )
        )

    def forward(self, report: ForwardUpdate) -> None:
        """Remember an agent's update and pass it on."""
        framework = self._ledger.frameworks.get(report.framework_id)
        if framework is None:
            return
        status = report.status
        task = framework.tasks.get(status.task_id)
        if task is not None:
            # The agent may be ahead of what the framework has acknowledged. It says so only
            # when it sends something, so an end that nobody waits for frees nothing.
            task.state = report.latest.state
            if not task.statuses or task.statuses[-1].uuid != status.uuid:
                task.statuses.append(replace(status, data=b""))
        self._outbox.send_update(framework, status)

    def reconcile(self, framework: Framework, body: Json, now: float) -> None:
        """Tell the latest state of the tasks asked for, or of all that are known."""
        asked = body.get("tasks", ())
        if not asked:
            for task in framework.tasks.values():
                self._send_latest(framework, task, now)
            return
        for item in asked:
            task_id = item["task_id"]["value"]
            known = framework.tasks.get(task_id) or framework.unreachable.get(task_id)
            if known is None:
                self._send_unknown(framework, task_id, item.get("agent_id"), now)
            else:
                self._send_latest(framework, known, now)

    def lose_on_disconnect(self, agent: Agent, now: float) -> None:
        """An agent's connection broke: tasks of frameworks without checkpoints are lost."""
        for framework, task in self._living_on(agent):
            if framework.info.checkpoint:
                continue
            message = f"Agent {agent.hostname} disconnected"
            reason = "REASON_AGENT_DISCONNECTED"
            self._end(framework, task, TaskState.LOST, reason, message, now)

    def lose_on_removal(self, agent: Agent, now: float) -> None:
        """An agent did not come back: its tasks are lost until it does."""
        for framework, task in self._living_on(agent):
            state = framework.lost(otherwise=TaskState.UNREACHABLE)
            status = _by_master(
                task.info.id,
                state,
                "REASON_AGENT_REMOVED",
                "health check timed out",
                now,
                agent_id=agent.id,
            )
            del framework.tasks[task.info.id]
            framework.unreachable[task.info.id] = task
            self._outbox.send_update(framework, replace(status, unreachable_time=now))
        failure: Json = {"type": "FAILURE", "failure": {"agent_id": {"value": agent.id}}}
        for framework in self._ledger.frameworks.values():
            self._outbox.send(framework, failure)

    def agent_returned(self, agent: Agent, running: Collection[TaskKey], now: float) -> None:
        """An agent is back with the tasks it still runs: settle what the two sides know."""
        for framework_id, task_id in running:
            known = self._ledger.frameworks.get(framework_id)
            if known is None or task_id not in {*known.tasks, *known.unreachable}:
                self._outbox.add(
                    DiscardTask(agent_id=agent.id, framework_id=framework_id, task_id=task_id)
                )
        for framework in self._ledger.frameworks.values():
            for task in list(framework.unreachable.values()):
                if task.agent_id == agent.id and (framework.id, task.info.id) in running:
                    self._bring_back(framework, task, now)
        for framework, task in self._living_on(agent):
            if (framework.id, task.info.id) not in running:
                state = framework.lost(otherwise=TaskState.DROPPED)
                message = "Reconciliation: Task is unknown to the agent"
                self._end(framework, task, state, "REASON_RECONCILIATION", message, now)

    def _bring_back(self, framework: Framework, task: Task, now: float) -> None:
        del framework.unreachable[task.info.id]
        framework.tasks[task.info.id] = task
        if task.statuses:
            status = replace(
                task.statuses[-1].reconciled(now),
                reason="REASON_AGENT_REREGISTERED",
                message="Unreachable agent re-reregistered",
            )
            self._outbox.send_update(framework, status)

    def _living_on(self, agent: Agent) -> list[tuple[Framework, Task]]:
        return [
            (framework, task)
            for framework in self._ledger.frameworks.values()
            for task in framework.tasks.values()
            if task.agent_id == agent.id and not task.state.is_terminal
        ]

    def _end(
        self,
        framework: Framework,
        task: Task,
        state: TaskState,
        reason: str,
        message: str,
        now: float,
    ) -> None:
        status = _by_master(task.info.id, state, reason, message, now, agent_id=task.agent_id)
        task.state = state
        task.statuses.append(status)
        framework.finish(task)
        self._outbox.send_update(framework, status)

    def _send_latest(self, framework: Framework, task: Task, now: float) -> None:
        if task.statuses:
            self._outbox.send_update(framework, task.statuses[-1].reconciled(now))
            return
        status = _by_master(
            task.info.id,
            task.state,
            "REASON_RECONCILIATION",
            "Reconciliation: Latest task state",
            now,
            agent_id=task.agent_id,
        )
        self._outbox.send_update(framework, status)

    def _send_unknown(
        self, framework: Framework, task_id: str, agent: Json | None, now: float
    ) -> None:
        agent_id = agent["value"] if agent and agent["value"] in self._ledger.agents else None
        otherwise = TaskState.UNKNOWN if agent_id is None else TaskState.DROPPED
        status = _by_master(
            task_id,
            framework.lost(otherwise=otherwise),
            "REASON_RECONCILIATION",
            "Reconciliation: Task is unknown" + (" to the agent" if agent_id else ""),
            now,
            agent_id=agent_id,
        )
        self._outbox.send_update(framework, status)


def _by_master(
    task_id: str,
    state: TaskState,
    reason: str,
    message: str,
    now: float,
    *,
    agent_id: str | None,
) -> Status:
    return Status(
        task_id=task_id,
        state=state,
        timestamp=now,
        source="SOURCE_MASTER",
        reason=reason,
        message=message,
        agent_id=agent_id,
    )
