"""The master's endpoints, /state and its like: what it remembers, as JSON.

Owns their shapes; those of the operator API are in `operator_api`. Reads the ledger, changes
nothing.
Source of the shapes: recordings of Apache Mesos 1.11.0 (tests/data/mesos).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from mrunkit.local.master import Master
from mrunkit.local.records import VERSION, Agent, AgentState, Framework, Offer, Task
from mrunkit.local.status import Status, TaskState
from mrunkit.local.wire import (
    SCALARS_FIRST,
    Json,
    resource_list,
    resource_object,
)

AGENT_CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
)

ALLOCATED: Json = {"role": "*", "allocation_info": {"role": "*"}}
"""What marks resources that tasks or offers hold."""

BUILD: Json = {
    "build_date": "2020-11-24 15:38:37",
    "build_time": 1606232317.0,
    "build_user": "mrunkit",
    "git_sha": "04bc7ee1984d86fbb0bd782ccc69ce44c13ae4b9",
    "git_tag": VERSION,
}


def version(_master: Master) -> Json:
    """/version"""
    return {**BUILD, "version": VERSION}


def slaves(master: Master) -> Json:
    """/slaves"""
    return {
        "slaves": [_slave(master, agent, full=True) for agent in registered(master)],
        "recovered_slaves": [],
    }


def frameworks(master: Master) -> Json:
    """/frameworks"""
    return {
        "frameworks": [_framework(master, f) for f in master.ledger.frameworks.values()],
        "completed_frameworks": [_framework(master, f) for f in master.ledger.removed.values()],
        "unregistered_frameworks": [],
    }


def tasks(master: Master) -> Json:
    """/tasks"""
    everyone = [*master.ledger.frameworks.values(), *master.ledger.removed.values()]
    return {
        "tasks": [
            _task(task)
            for framework in everyone
            for task in (*framework.tasks.values(), *framework.completed)
        ]
    }


def state(master: Master) -> Json:
    """/state"""
    agents = list(master.ledger.agents.values())
    counts = Counter(agent.state for agent in agents)
    return {
        **version(master),
        "start_time": master.started_at,
        "elected_time": master.started_at,
        "id": master.id,
        "pid": master.info["pid"],
        "hostname": "localhost",
        "capabilities": ["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"],
        "activated_slaves": float(counts[AgentState.ACTIVE]),
        "deactivated_slaves": float(counts[AgentState.DISCONNECTED]),
        "unreachable_slaves": float(counts[AgentState.REMOVED]),
        "leader": master.info["pid"],
        "leader_info": {
            "id": master.id,
            "pid": master.info["pid"],
            "port": master.port,
            "hostname": "localhost",
        },
        "cluster": "local",
        **flags(master),
        "slaves": [_slave(master, agent) for agent in registered(master)],
        "recovered_slaves": [],
        "frameworks": [_framework(master, f) for f in master.ledger.frameworks.values()],
        "completed_frameworks": [_framework(master, f) for f in master.ledger.removed.values()],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }


def state_summary(master: Master) -> Json:
    """/state-summary"""
    ledger = master.ledger
    all_frameworks = [*ledger.frameworks.values(), *ledger.removed.values()]
    held = [task for f in all_frameworks for task in (*f.tasks.values(), *f.completed)]
    shown_slaves = []
    for agent in registered(master):
        there = [task for task in held if task.agent_id == agent.id]
        shown_slaves.append(
            {
                **_slave(master, agent),
                **_state_counts(there),
                "framework_ids": sorted({task.framework_id for task in there}),
            }
        )
    shown_frameworks = []
    for framework in ledger.frameworks.values():
        own = [*framework.tasks.values(), *framework.completed]
        shown_frameworks.append(
            {
                **_framework_head(master, framework),
                **_state_counts(own),
                "slave_ids": sorted({task.agent_id for task in own}),
            }
        )
    return {
        "hostname": "localhost",
        "cluster": "local",
        "slaves": shown_slaves,
        "frameworks": shown_frameworks,
    }


def flags(master: Master) -> Json:
    """/flags"""
    return {
        "flags": {
            "allocation_interval": f"{master.config.allocation_interval:g}secs",
            "filter_gpu_resources": "true",
            "ip": "127.0.0.1",
            "port": str(master.port),
        }
    }


PAGES: Mapping[str, Callable[[Master], Json]] = {
    "/version": version,
    "/flags": flags,
    "/slaves": slaves,
    "/frameworks": frameworks,
    "/tasks": tasks,
    "/state": state,
    "/state-summary": state_summary,
}
"""Pages by their path, which may also begin with /master."""


def registered(master: Master) -> Iterable[Agent]:
    """The agents that have not been removed."""
    return (a for a in master.ledger.agents.values() if a.state is not AgentState.REMOVED)


def _slave(master: Master, agent: Agent, *, full: bool = False) -> Json:
    ledger = master.ledger
    used, offered = ledger.used(agent.id), ledger.offered(agent.id)
    shown: Json = {
        "id": agent.id,
        "hostname": agent.hostname,
        "port": agent.port,
        "attributes": dict(agent.attributes),
        "pid": f"slave(1)@{agent.ip}:{agent.port}",
        "registered_time": agent.registered_at,
        "resources": resource_object(agent.total),
        "used_resources": resource_object(used),
        "offered_resources": resource_object(offered),
        "reserved_resources": {},
        "unreserved_resources": resource_object(agent.total),
        "active": agent.state is AgentState.ACTIVE,
        "deactivated": False,
        "version": VERSION,
        "capabilities": list(AGENT_CAPABILITIES),
    }
    if full:
        shown |= {
            "reserved_resources_full": {},
            "unreserved_resources_full": resource_list(agent.total, SCALARS_FIRST, role="*"),
            "used_resources_full": resource_list(used, SCALARS_FIRST, **ALLOCATED),
            "offered_resources_full": resource_list(offered, **ALLOCATED),
        }
    return shown


def _framework_head(master: Master, framework: Framework) -> Json:
    ledger = master.ledger
    return {
        "id": framework.id,
        "name": framework.info.name,
        "used_resources": resource_object(ledger.used_by(framework)),
        "offered_resources": resource_object(ledger.offered_to(framework)),
        "capabilities": sorted(framework.info.capabilities),
        "hostname": framework.info.json.get("hostname", ""),
        "webui_url": framework.info.json.get("webui_url", ""),
        "active": framework.stream_id is not None,
        "connected": framework.stream_id is not None,
        "recovered": False,
    }


def _framework(master: Master, framework: Framework) -> Json:
    ledger, info = master.ledger, framework.info
    offers = [o for o in ledger.offers.values() if o.framework_id == framework.id]
    roles: Json = {"roles": list(info.roles)} if info.has("MULTI_ROLE") else {"role": info.roles[0]}
    return {
        **_framework_head(master, framework),
        "user": info.user,
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "registered_time": framework.registered_at,
        "unregistered_time": framework.removed_at or 0.0,
        "resources": resource_object(ledger.used_by(framework) + ledger.offered_to(framework)),
        **roles,
        "tasks": [_task(task) for task in framework.tasks.values()],
        "unreachable_tasks": [_task(task) for task in framework.unreachable.values()],
        "completed_tasks": [_task(task) for task in framework.completed],
        "offers": [_offer(offer) for offer in offers],
        "executors": [],
        "offer_constraints": {},
    }


def _offer(offer: Offer) -> Json:
    return {
        "id": offer.id,
        "framework_id": offer.framework_id,
        "allocation_info": {"role": offer.role},
        "slave_id": offer.agent_id,
        "resources": resource_object(offer.resources),
    }


def _task(task: Task) -> Json:
    shown: Json = {
        "id": task.info.id,
        "name": task.info.name,
        "framework_id": task.framework_id,
        "executor_id": "",
        "slave_id": task.agent_id,
        "state": task.state.value,
        "resources": resource_object(task.info.resources),
        "role": task.role,
        "statuses": [_short_status(status) for status in task.statuses],
    }
    if "labels" in task.info.json:
        shown["labels"] = task.info.json["labels"].get("labels", [])
    for name in ("discovery", "container"):
        if name in task.info.json:
            shown[name] = task.info.json[name]
    return shown


def _short_status(status: Status) -> Json:
    shown: Json = {"state": status.state.value, "timestamp": status.timestamp}
    if status.container_status is not None:
        shown["container_status"] = {
            name: value for name, value in status.container_status.items() if name != "executor_pid"
        }
    return shown


def _state_counts(counted: Iterable[Task]) -> Json:
    counts = Counter(task.state for task in counted)
    return {
        task_state.value: counts[task_state]
        for task_state in (
            TaskState.STAGING,
            TaskState.STARTING,
            TaskState.RUNNING,
            TaskState.KILLING,
            TaskState.FINISHED,
            TaskState.KILLED,
            TaskState.FAILED,
            TaskState.LOST,
            TaskState.ERROR,
            TaskState.UNREACHABLE,
        )
    }
