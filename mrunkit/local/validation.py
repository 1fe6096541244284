"""What a real master refuses of frameworks and tasks, and in which words.

Owns the checks behind ERROR events and TASK_ERROR updates. Pure; changes nothing.
Source of the texts: recordings of Apache Mesos 1.11.0 (tests/data/mesos).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mrunkit.local.wire import PORTS_FIRST, FrameworkInfo, Json, ResourceItem, TaskInfo
from mrunkit.scheduler.resources import PortRange, Resources


def framework_problem(info: FrameworkInfo) -> str | None:
    """Why a framework may not subscribe, if so."""
    if info.has("MULTI_ROLE"):
        if "role" in info.json:
            return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
        name = "roles"
    else:
        if info.json.get("roles"):
            return (
                "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
            )
        name = "role"
    for role in info.roles:
        problem = role_problem(role)
        if problem:
            kind = "is not a valid role" if name == "role" else "contains invalid role"
            return f"'FrameworkInfo.{name}' {kind}: {problem}"
    return None


def role_problem(role: str) -> str | None:
    """Why a text is not a role, if so."""
    if role == "*":
        return None
    for part in role.split("/"):
        if part in ("", ".", ".."):
            shown = f"'{part}' as a component" if part else "an empty component"
            return f"Role '{role}' cannot include {shown}"
        if part == "*" or part.startswith("-") or any(c in part for c in "\t\n\v\f\r \x7f"):
            return f"Role '{role}' is invalid: component '{part}'"
    return None


def task_problem(
    task: TaskInfo, *, agent_id: str, left: Resources, role: str, known: Collection[str]
) -> str | None:
    """Why a task may not be launched on what is left of its offers, if so.

    `known` are the ids of the framework's tasks that are not over.
    """
    return (
        _id_problem(task.id)
        or _agent_problem(task, agent_id)
        or _command_problem(task)
        or _amount_problem(task)
        or _container_problem(task.container)
        or (f"Task has duplicate ID: {task.id}" if task.id in known else None)
        or _fit_problem(task, left, role)
    )


def _id_problem(task_id: str) -> str | None:
    if not task_id:
        return "ID must not be empty"
    if len(task_id) > 255:
        return f"'{task_id}' must not be greater than 255 characters"
    if task_id in (".", ".."):
        return f"'{task_id}' is disallowed"
    if "/" in task_id or "\\" in task_id or any(ord(c) < 32 or ord(c) == 127 for c in task_id):
        return f"'{task_id}' contains invalid characters"
    return None


def _agent_problem(task: TaskInfo, agent_id: str) -> str | None:
    if task.agent_id != agent_id:
        return f"Task uses invalid agent {task.agent_id} while agent {agent_id} is expected"
    return None


def _command_problem(task: TaskInfo) -> str | None:
    if (task.command is None) != task.has_executor:
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    if task.has_executor:
        return "Task brings its own executor, which the embedded cluster cannot run"
    return None


def _amount_problem(task: TaskInfo) -> str | None:
    if not task.items:
        return "Task uses no resources"
    for item in task.items:
        if item.name != "ports" and item.scalar < 0:
            return f"Task uses invalid resources: Invalid resource {item.name}: value < 0"
    return None


def _container_problem(container: Json | None) -> str | None:
    if container is not None and container.get("type") == "DOCKER" and "docker" not in container:
        return (
            "Task's `ContainerInfo` is invalid: "
            "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        )
    return None


def _fit_problem(task: TaskInfo, left: Resources, role: str) -> str | None:
    unreserved = all(item.reserved is None for item in task.items)
    known = all(item.name in PORTS_FIRST for item in task.items)
    if unreserved and known and left.contains(task.resources):
        return None
    return (
        f"Total resources {items_text(task.items, role)} required by task and its executor "
        f"is more than available {resources_text(left, role)}"
    )


def items_text(items: Iterable[ResourceItem], role: str) -> str:
    """A task's resources in Mesos' own notation."""
    texts = []
    for item in items:
        reserved = "" if item.reserved is None else f"(reservations: [{item.reserved}])"
        value = _ranges_text(item.ranges) if item.name == "ports" else _number_text(item.scalar)
        texts.append(f"{item.name}(allocated: {role}){reserved}:{value}")
    return "; ".join(texts) or "{}"


def resources_text(resources: Resources, role: str) -> str:
    """Offered resources in Mesos' own notation."""
    items = []
    for name in PORTS_FIRST:
        value = getattr(resources, name)
        if name == "ports" and value:
            items.append(ResourceItem(name=name, ranges=value))
        elif value:
            items.append(ResourceItem(name=name, scalar=value))
    return items_text(items, role)


def _number_text(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _ranges_text(spans: tuple[PortRange, ...]) -> str:
    return "[" + ", ".join(f"{first}-{last}" for first, last in spans) + "]"
