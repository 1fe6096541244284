"""Mesos' v1 JSON, to and from values.

Owns the names of the wire: what a call, a task, a resource and an event look like as JSON.
Decides nothing. Fields that the cluster only hands on (labels, container, discovery) stay JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mrunkit.scheduler.resources import PortRange, Resources, merge_ranges

Json = dict[str, Any]

ANY_ROLE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceItem:
    """One entry of a list of resources, with what marks it as reserved."""

    name: str
    scalar: float = 0.0
    ranges: tuple[PortRange, ...] = ()
    reserved: str | None = None
    """Mesos' text for the reservations, such as "(STATIC,x)"; None for unreserved."""

    @classmethod
    def parse(cls, item: Json) -> Self:
        """Read one resource."""
        return cls(
            name=item["name"],
            scalar=float(item.get("scalar", {}).get("value", 0.0)),
            ranges=merge_ranges(
                tuple(
                    (int(r["begin"]), int(r["end"]))
                    for r in item.get("ranges", {}).get("range", ())
                )
            ),
            reserved=_reservations(item),
        )


def _reservations(item: Json) -> str | None:
    if item.get("reservations"):
        texts = [
            f"({r.get('type', 'STATIC')},{r.get('role', '')}"
            + (f",{r['principal']}" if "principal" in r else "")
            + ")"
            for r in item["reservations"]
        ]
        return ",".join(texts)
    if item.get("role", ANY_ROLE) != ANY_ROLE:
        return f"(STATIC,{item['role']})"
    return None


def amount(items: Iterable[ResourceItem]) -> Resources:
    """The sum of a list of resources, whoever they are reserved for."""
    total = Resources()
    for item in items:
        match item.name:
            case "cpus":
                total += Resources(cpus=item.scalar)
            case "mem":
                total += Resources(mem=item.scalar)
            case "disk":
                total += Resources(disk=item.scalar)
            case "gpus":
                total += Resources(gpus=item.scalar)
            case "ports":
                total += Resources(ports=item.ranges)
            case _:
                continue
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkInfo:
    """Who a framework says it is."""

    user: str
    name: str
    id: str | None = None
    roles: tuple[str, ...] = (ANY_ROLE,)
    capabilities: frozenset[str] = frozenset()
    checkpoint: bool = False
    failover_timeout: float = 0.0
    json: Json = field(default_factory=dict)

    @classmethod
    def parse(cls, info: Json) -> Self:
        """Read a FrameworkInfo."""
        capabilities = frozenset(c.get("type", "") for c in info.get("capabilities", ()))
        if "MULTI_ROLE" in capabilities:
            roles = tuple(dict.fromkeys(info.get("roles", ())))
        else:
            roles = (info.get("role", ANY_ROLE),)
        return cls(
            user=info["user"],
            name=info["name"],
            id=info.get("id", {}).get("value"),
            roles=roles,
            capabilities=capabilities,
            checkpoint=bool(info.get("checkpoint", False)),
            failover_timeout=float(info.get("failover_timeout", 0.0)),
            json=info,
        )

    def has(self, capability: str) -> bool:
        """Whether the framework declared this capability."""
        return capability in self.capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a task runs: a line for the shell, or a program and all its arguments from 0."""

    shell: bool = True
    value: str | None = None
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    has_uris: bool = False

    @classmethod
    def parse(cls, command: Json) -> Self:
        """Read a CommandInfo."""
        variables = command.get("environment", {}).get("variables", ())
        return cls(
            shell=bool(command.get("shell", True)),
            value=command.get("value"),
            arguments=tuple(command.get("arguments", ())),
            environment={v["name"]: str(v.get("value", "")) for v in variables},
            user=command.get("user"),
            has_uris=bool(command.get("uris")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """A task as its framework describes it."""

    id: str
    name: str
    agent_id: str
    items: tuple[ResourceItem, ...]
    command: Command | None
    has_executor: bool
    container: Json | None
    kill_grace: float | None
    """Seconds from SIGTERM to SIGKILL; None for the agent's default."""
    json: Json

    @classmethod
    def parse(cls, info: Json) -> Self:
        """Read a TaskInfo."""
        return cls(
            id=info["task_id"]["value"],
            name=info["name"],
            agent_id=info["agent_id"]["value"],
            items=tuple(ResourceItem.parse(item) for item in info.get("resources", ())),
            command=Command.parse(info["command"]) if "command" in info else None,
            has_executor="executor" in info,
            container=info.get("container"),
            kill_grace=grace_seconds(info),
            json=info,
        )

    @property
    def resources(self) -> Resources:
        """What the task needs in all."""
        return amount(self.items)

    @property
    def is_docker(self) -> bool:
        """Whether the task wants Docker's containerizer."""
        return self.container is not None and self.container.get("type") == "DOCKER"


def grace_seconds(holder: Json) -> float | None:
    """The grace period of a kill policy, if the task or the KILL call has one."""
    grace = holder.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds")
    return None if grace is None else int(grace) / 1e9


def scalar(name: str, value: float, **marks: Any) -> Json:
    """A scalar resource."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": float(value)}, **marks}


def ranges(name: str, value: Iterable[PortRange], **marks: Any) -> Json:
    """A resource of ranges."""
    spans = [{"begin": first, "end": last} for first, last in value]
    return {"name": name, "type": "RANGES", "ranges": {"range": spans}, **marks}


SCALARS_FIRST = ("cpus", "mem", "disk", "gpus", "ports")
"""The order in which a master lists what an agent has in all."""

PORTS_FIRST = ("ports", "cpus", "mem", "disk", "gpus")
"""The order in which a master lists what it offers."""


def resource_list(
    resources: Resources, order: tuple[str, ...] = PORTS_FIRST, **marks: Any
) -> list[Json]:
    """Resources as the wire's list; what there is nothing of is left out."""
    items: list[Json] = []
    for name in order:
        value = getattr(resources, name)
        if not value:
            continue
        make = ranges if name == "ports" else scalar
        items.append(make(name, value, **marks))
    return items


def resource_object(resources: Resources) -> Json:
    """Resources as the endpoints for people show them; scalars are there even if zero."""
    shown: Json = {
        "disk": float(resources.disk),
        "mem": float(resources.mem),
        "gpus": float(resources.gpus),
        "cpus": float(resources.cpus),
    }
    if resources.ports:
        shown["ports"] = "[" + ", ".join(f"{first}-{last}" for first, last in resources.ports) + "]"
    return shown


def attribute_list(attributes: Mapping[str, str | float]) -> list[Json]:
    """An agent's attributes: numbers as scalars, the rest as text."""
    listed: list[Json] = []
    for name, value in attributes.items():
        if isinstance(value, str):
            listed.append({"name": name, "type": "TEXT", "text": {"value": value}})
        else:
            listed.append({"name": name, "type": "SCALAR", "scalar": {"value": float(value)}})
    return listed
