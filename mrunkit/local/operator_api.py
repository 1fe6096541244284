"""The master's operator API: calls, and what it remembers, in the shapes of v1.

Owns these shapes. Reads the ledger, changes nothing.
Source of the shapes: recordings of Apache Mesos 1.11.0 (tests/data/mesos).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mrunkit.local.calls import TEXT, RefusedError, read_object
from mrunkit.local.endpoints import AGENT_CAPABILITIES, ALLOCATED, registered, version
from mrunkit.local.master import Master
from mrunkit.local.records import VERSION, Agent, AgentState, Framework, Task, offer_json
from mrunkit.local.wire import SCALARS_FIRST, Json, attribute_list, resource_list


def operator_call(master: Master, body: bytes) -> Json:
    """The answer to an operator call; raises RefusedError."""
    call = read_object(body, {"type": TEXT}, "Call")
    answer = OPERATOR_CALLS.get(call.get("type", ""))
    if answer is None:
        raise RefusedError(400, "Failed to validate master::Call: Expecting 'type' to be present")
    name: str = call["type"]
    return {"type": name, name.lower(): answer(master)}


def get_agents(master: Master) -> Json:
    """GET_AGENTS"""
    return {
        "agents": [_agent(master, agent) for agent in registered(master)],
        "recovered_agents": [],
    }


def get_tasks(master: Master) -> Json:
    """GET_TASKS"""
    ledger = master.ledger
    everyone = [*ledger.frameworks.values(), *ledger.removed.values()]
    return {
        "tasks": [_task(t) for f in ledger.frameworks.values() for t in f.tasks.values()],
        "unreachable_tasks": [_task(t) for f in everyone for t in f.unreachable.values()],
        "completed_tasks": [_task(t) for f in everyone for t in f.completed],
    }


def get_frameworks(master: Master) -> Json:
    """GET_FRAMEWORKS"""
    return {
        "frameworks": [_framework(master, f) for f in master.ledger.frameworks.values()],
        "completed_frameworks": [_framework(master, f) for f in master.ledger.removed.values()],
    }


def get_state(master: Master) -> Json:
    """GET_STATE"""
    return {
        "get_tasks": get_tasks(master),
        "get_executors": {"executors": []},
        "get_frameworks": get_frameworks(master),
        "get_agents": get_agents(master),
    }


OPERATOR_CALLS: Mapping[str, Callable[[Master], Json]] = {
    "GET_HEALTH": lambda _master: {"healthy": True},
    "GET_VERSION": lambda master: {"version_info": version(master)},
    "GET_MASTER": lambda master: {
        "master_info": master.info,
        "start_time": master.started_at,
        "elected_time": master.started_at,
    },
    "GET_EXECUTORS": lambda _master: {"executors": []},
    "GET_AGENTS": get_agents,
    "GET_TASKS": get_tasks,
    "GET_FRAMEWORKS": get_frameworks,
    "GET_STATE": get_state,
}


def _agent(master: Master, agent: Agent) -> Json:
    ledger = master.ledger
    info: Json = {
        "hostname": agent.hostname,
        "port": agent.port,
        "resources": resource_list(agent.total, SCALARS_FIRST),
        "attributes": attribute_list(agent.attributes),
        "id": {"value": agent.id},
        "checkpoint": True,
    }
    return {
        "agent_info": info,
        "active": agent.state is AgentState.ACTIVE,
        "deactivated": False,
        "version": VERSION,
        "pid": f"slave(1)@{agent.ip}:{agent.port}",
        "registered_time": _nanoseconds(agent.registered_at),
        "total_resources": resource_list(agent.total, SCALARS_FIRST, role="*"),
        "allocated_resources": resource_list(ledger.used(agent.id), SCALARS_FIRST, **ALLOCATED),
        "offered_resources": resource_list(ledger.offered(agent.id), **ALLOCATED),
        "capabilities": [{"type": name} for name in AGENT_CAPABILITIES],
    }


def _framework(master: Master, framework: Framework) -> Json:
    ledger = master.ledger
    shown: Json = {
        "framework_info": {
            **framework.info.json,
            "failover_timeout": framework.info.failover_timeout,
            "checkpoint": framework.info.checkpoint,
            "id": {"value": framework.id},
        },
        "active": framework.stream_id is not None,
        "connected": framework.stream_id is not None,
        "recovered": False,
        "registered_time": _nanoseconds(framework.registered_at),
        "reregistered_time": _nanoseconds(framework.reregistered_at),
    }
    if framework.removed_at is not None:
        shown["unregistered_time"] = _nanoseconds(framework.removed_at)
    offers = [o for o in ledger.offers.values() if o.framework_id == framework.id]
    if offers:
        shown["offers"] = [
            offer_json(offer, ledger.agents[offer.agent_id], None) for offer in offers
        ]
    used = resource_list(ledger.used_by(framework), SCALARS_FIRST, **ALLOCATED)
    if used:
        shown["allocated_resources"] = used
    offered = resource_list(ledger.offered_to(framework), **ALLOCATED)
    if offered:
        shown["offered_resources"] = offered
    shown["offer_constraints"] = {}
    return shown


def _task(task: Task) -> Json:
    shown: Json = {
        "name": task.info.name,
        "task_id": {"value": task.info.id},
        "framework_id": {"value": task.framework_id},
        "agent_id": {"value": task.agent_id},
        "state": task.state.value,
        "resources": [
            {**item, "allocation_info": {"role": task.role}}
            for item in task.info.json.get("resources", ())
        ],
        "statuses": [status.json() for status in task.statuses],
    }
    told = [status for status in task.statuses if status.uuid is not None]
    if told:
        shown["status_update_state"] = told[-1].state.value
        shown["status_update_uuid"] = told[-1].uuid
    for name in ("labels", "discovery", "container"):
        if name in task.info.json:
            shown[name] = task.info.json[name]
    return shown


def _nanoseconds(seconds: float) -> Json:
    return {"nanoseconds": round(seconds * 1e9)}
