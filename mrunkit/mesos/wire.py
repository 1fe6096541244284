"""Mesos' v1 JSON to the scheduler's values and back.

Pure. The only module that knows field names of mesos.proto and scheduler.proto; source
of both: https://github.com/apache/mesos/tree/1.11.x/include/mesos/v1
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mrunkit.scheduler.commands import LaunchTask
from mrunkit.scheduler.events import (
    AgentLost,
    Event,
    MasterErred,
    OfferRescinded,
    OffersReceived,
    TaskState,
    TaskUpdated,
)
from mrunkit.scheduler.offers import Agent, Attribute, Offer, Share
from mrunkit.scheduler.resources import NOTHING, PortRange, Resources

Json = dict[str, Any]

SCALARS = ("cpus", "mem", "disk", "gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSpec:
    """How a job introduces itself to the master."""

    name: str
    user: str
    """The account under which agents run the tasks."""
    role: str = "*"
    principal: str | None = None
    hostname: str = ""
    uses_gpus: bool = False
    """Agents with GPUs are offered only to frameworks that say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand:
    """What a task runs: shell text, with its environment."""

    shell: str
    env: Mapping[str, str] = field(default_factory=dict)
    container: Json | None = None
    """A ContainerInfo; None: a process of the agent's host."""


# --- to Mesos -------------------------------------------------------------------------


def framework_info(spec: FrameworkSpec) -> Json:
    """The FrameworkInfo of a job: gone, with its tasks, when the connection is gone.

    Without checkpoints the loss of an agent is told within 25 ms, not after 84 s; the price is
    that the job ends where its tasks could have outlived an agent's restart.
    """
    info: Json = {
        "name": spec.name,
        "user": spec.user,
        "role": spec.role,
        "failover_timeout": 0.0,
        "checkpoint": False,
        "hostname": spec.hostname,
    }
    if spec.principal is not None:
        info["principal"] = spec.principal
    if spec.uses_gpus:
        info["capabilities"] = [{"type": "GPU_RESOURCES"}]
    return info


def task_info(launch: LaunchTask, command: TaskCommand, *, name: str) -> Json:
    """The TaskInfo for one task of a gang."""
    variables = [{"name": key, "value": value} for key, value in command.env.items()]
    info: Json = {
        "name": name,
        "task_id": {"value": launch.task_id},
        "agent_id": {"value": launch.agent_id},
        "resources": [entry for share in launch.shares for entry in _resources(share)],
        "command": {
            "shell": True,
            "value": command.shell,
            "environment": {"variables": variables},
        },
    }
    if command.container is not None:
        info["container"] = command.container
    return info


def offer_ids(ids: Iterable[str]) -> list[Json]:
    """Offer ids as the calls take them."""
    return [{"value": offer_id} for offer_id in ids]


def _resources(share: Share) -> list[Json]:
    resources = share.resources
    entries: list[Json] = [
        {"name": name, "type": "SCALAR", "scalar": {"value": amount}, "role": share.role}
        for name in SCALARS
        if (amount := getattr(resources, name))
    ]
    if resources.ports:
        ranges = [{"begin": first, "end": last} for first, last in resources.ports]
        entries.append(
            {"name": "ports", "type": "RANGES", "ranges": {"range": ranges}, "role": share.role}
        )
    return entries


# --- from Mesos: events ---------------------------------------------------------------


def parse_event(raw: Json, *, jitter: float) -> Event | None:
    """The scheduler's event for one of the stream; None for what a gang need not know."""
    kind = raw.get("type")
    if kind == "OFFERS":
        offers = tuple(parse_offer(offer) for offer in raw["offers"].get("offers", ()))
        return OffersReceived(offers=offers, jitter=jitter)
    if kind == "RESCIND":
        return OfferRescinded(offer_id=raw["rescind"]["offer_id"]["value"])
    if kind == "UPDATE":
        return _parse_status(raw["update"]["status"])
    if kind == "FAILURE" and "executor_id" not in raw["failure"]:
        return AgentLost(agent_id=raw["failure"]["agent_id"]["value"])
    if kind == "ERROR":
        return MasterErred(message=f"the master says: {raw['error']['message']}")
    return None


def parse_offer(raw: Json) -> Offer:
    """One offer, with what can be used of it by its role."""
    address = raw.get("url", {}).get("address", {})
    return Offer.of(
        raw["id"]["value"],
        raw["agent_id"]["value"],
        hostname=raw["hostname"],
        address=address.get("ip") or raw["hostname"],
        shares=parse_shares(raw.get("resources", ())),
        attributes=tuple(_parse_attribute(entry) for entry in raw.get("attributes", ())),
    )


def parse_shares(entries: Iterable[Json]) -> tuple[Share, ...]:
    """Resources by role, without those that may be taken back or are bound to a volume.

    Dynamically reserved resources are left out as well: a task would have to repeat
    their reservation to the letter, and it is an operator's to give out.
    """
    by_role: dict[str, Resources] = {}
    for entry in entries:
        bound = entry.get("disk") or entry.get("reservation") or entry.get("reservations")
        if bound or "revocable" in entry or "shared" in entry:
            continue
        role = entry.get("role", "*")
        by_role[role] = by_role.get(role, NOTHING) + _parse_resource(entry)
    return tuple(Share(role=role, resources=part) for role, part in by_role.items())


def _parse_resource(entry: Json) -> Resources:
    name = entry["name"]
    if name in SCALARS:
        amounts: dict[str, Any] = {name: entry["scalar"]["value"]}
        return Resources(**amounts)
    if name == "ports":
        return Resources(ports=tuple((r["begin"], r["end"]) for r in entry["ranges"]["range"]))
    return NOTHING


def _parse_attribute(entry: Json) -> Attribute:
    name = entry["name"]
    if "text" in entry:
        return Attribute(name=name, values=frozenset({entry["text"]["value"]}))
    if "scalar" in entry:
        number = entry["scalar"]["value"]
        return Attribute(name=name, ranges=((number, number),))
    if "set" in entry:
        return Attribute(name=name, values=frozenset(entry["set"].get("item", ())))
    ranges = entry.get("ranges", {}).get("range", ())
    return Attribute(name=name, ranges=tuple((r["begin"], r["end"]) for r in ranges))


def _parse_status(status: Json) -> TaskUpdated:
    return TaskUpdated(
        task_id=status["task_id"]["value"],
        state=TaskState(status["state"]),
        message=status.get("message", ""),
        reason=status.get("reason", ""),
        source=status.get("source", ""),
    )


# --- from Mesos: /slaves --------------------------------------------------------------


def parse_agents(answer: Json, *, role: str) -> tuple[Agent, ...] | None:
    """What the agents of a `/slaves` answer could give to a role in all.

    Agents that are briefly away count: the master removes those that do not come back. None while
    the master waits for agents from before its own start, up to 10 minutes: of these it knows who
    they are (`recovered_slaves`), and not what they have.
    """
    if answer.get("recovered_slaves"):
        return None
    return tuple(
        _parse_agent(raw, role)
        for raw in answer["slaves"]
        if not raw.get("deactivated") and not raw.get("drain_info")
    )


def _parse_agent(raw: Json, role: str) -> Agent:
    unreserved = raw.get("unreserved_resources") or raw["resources"]
    return Agent(
        agent_id=raw["id"],
        hostname=raw["hostname"],
        address=_address_of_pid(raw.get("pid", "")) or raw["hostname"],
        attributes=tuple(
            _parse_shown_attribute(name, value) for name, value in raw.get("attributes", {}).items()
        ),
        available=sum(_reserved_for(role, raw), start=_parse_amounts(unreserved)),
    )


def _reserved_for(role: str, raw: Json) -> Iterator[Resources]:
    """What is reserved for a role, or for one above it (`eng` is above `eng/dev`).

    As in offers, not what was reserved dynamically, if the answer tells.
    """
    parts = role.split("/")
    names = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    for name in names:
        if "reserved_resources_full" not in raw:
            yield _parse_amounts(raw.get("reserved_resources", {}).get(name, {}))
            continue
        for entry in raw["reserved_resources_full"].get(name, ()):
            kinds = {one.get("type") for one in entry.get("reservations", ())}
            if not (entry.get("disk") or entry.get("reservation") or "DYNAMIC" in kinds):
                yield _parse_resource(entry)


def _address_of_pid(pid: str) -> str:
    """The address in a libprocess id such as `slave(1)@10.0.0.4:5051`."""
    return pid.partition("@")[2].rpartition(":")[0]


def _parse_amounts(amounts: Mapping[str, Any]) -> Resources:
    scalars: dict[str, Any] = {name: amounts[name] for name in SCALARS if name in amounts}
    return Resources(**scalars, ports=_parse_shown_ranges(amounts.get("ports", "")))


def _parse_shown_ranges(text: str) -> tuple[PortRange, ...]:
    """Ranges as endpoints print them: `[31000-31019, 31021-31029]`."""
    pairs: Sequence[tuple[str, str]] = re.findall(r"(\d+)-(\d+)", text)
    return tuple((int(first), int(last)) for first, last in pairs)


def _parse_shown_attribute(name: str, value: str | float) -> Attribute:
    """An attribute as endpoints print it: a number, `[1-5]`, `{a, b}` or a text."""
    if not isinstance(value, str):
        return Attribute(name=name, ranges=((value, value),))
    if re.fullmatch(r"\[(\d+-\d+(, )?)+\]", value):
        return Attribute(name=name, ranges=_parse_shown_ranges(value))
    if re.fullmatch(r"\{.*\}", value):
        return Attribute(name=name, values=frozenset(value[1:-1].split(", ")))
    return Attribute(name=name, values=frozenset({value}))
