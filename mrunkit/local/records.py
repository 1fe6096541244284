"""What a master remembers: agents, frameworks, tasks and offers.

Owns the records and what follows from them by plain counting. Changes of state are the master's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from mrunkit.local.status import Status, TaskState
from mrunkit.local.wire import FrameworkInfo, Json, TaskInfo, attribute_list, resource_list
from mrunkit.scheduler.resources import NOTHING, Resources

VERSION = "1.11.0"
"""The Mesos whose behaviour this follows; frameworks look at it."""

COMPLETED_TASKS = 1000
"""How many ended tasks of a framework are remembered, as in a real master."""


class AgentState(Enum):
    """Whether an agent can be used."""

    ACTIVE = auto()
    """Connected; its free resources are offered."""
    DISCONNECTED = auto()
    """The connection is lost; it may come back in time."""
    REMOVED = auto()
    """It did not come back in time; its tasks are lost."""


@dataclass(slots=True, kw_only=True)
class Agent:
    """An agent as the master sees it."""

    id: str
    hostname: str
    ip: str
    port: int
    total: Resources
    attributes: Mapping[str, str | float]
    registered_at: float
    state: AgentState = AgentState.ACTIVE
    disconnected_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Resources of one agent that a framework may use until it answers."""

    id: str
    framework_id: str
    role: str
    agent_id: str
    resources: Resources
    made_at: float


@dataclass(slots=True, kw_only=True)
class Task:
    """A task as the master sees it; `state` is the latest known, statuses are those forwarded."""

    info: TaskInfo
    framework_id: str
    agent_id: str
    role: str
    state: TaskState = TaskState.STAGING
    statuses: list[Status] = field(default_factory=list)

    @property
    def holds(self) -> Resources:
        """What the task takes of its agent now."""
        return NOTHING if self.state.is_terminal else self.info.resources


@dataclass(slots=True, kw_only=True)
class Framework:
    """A framework; connected as long as it has a stream."""

    id: str
    info: FrameworkInfo
    registered_at: float
    reregistered_at: float
    stream_id: str | None = None
    suppressed: set[str] = field(default_factory=set)
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable: dict[str, Task] = field(default_factory=dict)
    completed: deque[Task] = field(default_factory=lambda: deque(maxlen=COMPLETED_TASKS))
    heartbeat_at: float = 0.0
    removed_at: float | None = None
    failover_until: float | None = None

    def lost(self, *, otherwise: TaskState) -> TaskState:
        """TASK_LOST, or the more exact state for a framework that is PARTITION_AWARE."""
        return otherwise if self.info.has("PARTITION_AWARE") else TaskState.LOST

    def finish(self, task: Task) -> None:
        """Move a task that is over to the completed ones."""
        del self.tasks[task.info.id]
        self.completed.append(task)


@dataclass(slots=True, kw_only=True)
class Ledger:
    """All that a master remembers."""

    agents: dict[str, Agent] = field(default_factory=dict)
    frameworks: dict[str, Framework] = field(default_factory=dict)
    removed: dict[str, Framework] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)

    def used(self, agent_id: str) -> Resources:
        """What tasks hold of an agent."""
        return total(
            task.holds
            for framework in self.frameworks.values()
            for task in framework.tasks.values()
            if task.agent_id == agent_id
        )

    def offered(self, agent_id: str) -> Resources:
        """What is out in offers of an agent."""
        return total(o.resources for o in self.offers.values() if o.agent_id == agent_id)

    def free(self) -> dict[str, Resources]:
        """What could be offered of each active agent."""
        taken: dict[str, list[Resources]] = {
            agent.id: [] for agent in self.agents.values() if agent.state is AgentState.ACTIVE
        }
        for framework in self.frameworks.values():
            for task in framework.tasks.values():
                if task.agent_id in taken:
                    taken[task.agent_id].append(task.holds)
        for offer in self.offers.values():
            if offer.agent_id in taken:
                taken[offer.agent_id].append(offer.resources)
        return {
            agent_id: self.agents[agent_id].total - total(parts)
            for agent_id, parts in taken.items()
        }

    def used_by(self, framework: Framework, role: str | None = None) -> Resources:
        """What a framework's tasks hold, in one role or in all."""
        return total(
            task.holds for task in framework.tasks.values() if role is None or task.role == role
        )

    def offered_to(self, framework: Framework, role: str | None = None) -> Resources:
        """What is out in offers to a framework, in one role or in all."""
        return total(
            offer.resources
            for offer in self.offers.values()
            if offer.framework_id == framework.id and (role is None or offer.role == role)
        )


def total(parts: Iterable[Resources]) -> Resources:
    """The sum of amounts."""
    together = NOTHING
    for part in parts:
        together += part
    return together


def offer_json(offer: Offer, agent: Agent, info: FrameworkInfo | None) -> Json:
    """An offer, shaped by what its framework can take; without one, as operators see it."""
    allocation: Json = {"allocation_info": {"role": offer.role}}
    marks: Json = {}
    if info is not None and not info.has("RESERVATION_REFINEMENT"):
        marks["role"] = "*"
    shown_allocation = info is None or info.has("MULTI_ROLE")
    if shown_allocation:
        marks |= allocation
    shaped: Json = {
        "id": {"value": offer.id},
        "framework_id": {"value": offer.framework_id},
        "agent_id": {"value": agent.id},
        "hostname": agent.hostname,
        "url": {
            "scheme": "http",
            "address": {"hostname": agent.hostname, "ip": agent.ip, "port": agent.port},
            "path": "/slave(1)",
        },
        "resources": resource_list(offer.resources, **marks),
    }
    if agent.attributes:
        shaped["attributes"] = attribute_list(agent.attributes)
    if shown_allocation:
        shaped |= allocation
    return shaped
