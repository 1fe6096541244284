"""Whether Mesos' agents are what the inventory says, and what masters tell. Pure.

Source of the fields: https://mesos.apache.org/documentation/latest/endpoints/master/slaves/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mrunkit.provision.doctor.facts import Missing
from mrunkit.provision.doctor.verdicts import Problem, named

AGAIN = "mrunkit bootstrap --tags mesos"
NOT_LEADING = Missing(why="its master does not lead, and that of no other host answers")
"""What a master says that points to another; each is asked itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAgent:
    """An agent as the leading master has it."""

    hostname: str
    address: str
    version: str
    is_active: bool
    """It takes tasks: it is connected, and neither drained nor deactivated."""
    is_deactivated: bool = False
    """It takes none because somebody said so, or had it drained."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Scalars only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAgent:
    """An agent as the inventory has it."""

    host: str
    address: str
    resources: Mapping[str, float]
    """Scalars; what is not named may be as it is."""


def parse_agents(status: int, body: str) -> tuple[RegisteredAgent, ...] | Missing:
    """A master's answer to /slaves; status 0: there was none, and the body says why."""
    if status == 401:
        return Missing(why="the master does not know us, or not with this secret (HTTP 401)")
    if status == 307:
        return NOT_LEADING
    if status != 200:
        return Missing(why=f"no master answers: {body or f'HTTP {status}'}")
    try:
        told = json.loads(body)["slaves"]
    except (ValueError, KeyError, TypeError):
        return Missing(why="what answers is no Mesos master")
    return tuple(_parse_agent(raw) for raw in told)


def parse_version(status: int, body: str) -> str | Missing:
    """A master's answer to /version, as `parse_agents` takes it; each answers for itself."""
    if status != 200:
        return Missing(why=f"its master does not answer: {body or f'HTTP {status}'}")
    try:
        return str(json.loads(body)["version"])
    except (ValueError, KeyError, TypeError):
        return Missing(why="what answers is no Mesos master")


def _parse_agent(raw: Mapping[str, Any]) -> RegisteredAgent:
    is_deactivated = bool(raw.get("deactivated") or raw.get("drain_info"))
    return RegisteredAgent(
        hostname=raw["hostname"],
        address=raw.get("pid", "").partition("@")[2].rpartition(":")[0],
        version=raw.get("version", "unknown"),
        is_active=bool(raw.get("active")) and not is_deactivated,
        is_deactivated=is_deactivated,
        resources={
            name: float(amount)
            for name, amount in raw["resources"].items()
            if isinstance(amount, int | float)
        },
    )


def parse_resources(given: str | list[Any]) -> dict[str, float]:
    """The scalars in what mesos-agent's --resources takes: `cpus:8;mem:1000`, or JSON.

    An inventory's JSON comes as a list, unless it is quoted twice. None in what the agent cannot
    read either, which it says when it is started.
    """
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError:
            return {}
    found: dict[str, float] = {}
    for name, said in _scalars(given):
        if (amount := _number(said)) is not None:
            found[name] = found.get(name, 0.0) + amount
    return found


def _scalars(given: str | list[Any]) -> Iterator[tuple[str, Any]]:
    """Names and amounts, which may be none."""
    if not isinstance(given, list):
        yield from re.findall(r"([a-z_]+)(?:\([^)]*\))?:([0-9.]+)\s*(?:;|$)", str(given))
        return
    for one in given:
        match one:
            case {"name": str(name), "scalar": {"value": amount}}:
                yield name, amount


def _number(said: Any) -> float | None:
    try:
        number = float(said)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def agent_problems(
    expected: Iterable[ExpectedAgent], registered: tuple[RegisteredAgent, ...] | Missing
) -> Iterator[Problem]:
    """Agents that are not there, take no tasks, or have other resources."""
    if isinstance(registered, Missing):
        yield Problem(what=registered.why, remedy=f"systemctl status mesos-master; {AGAIN}")
        return
    for wanted in expected:
        found = find_agent(wanted, registered)
        if found is None:
            yield Problem(
                what="its agent is not registered",
                remedy="see on the host: journalctl -u mesos-agent",
                host=wanted.host,
            )
            continue
        if found.is_deactivated:
            yield Problem(
                what="its agent takes no tasks: it was deactivated or drained",
                remedy=f"{AGAIN} has it take tasks again",
                host=wanted.host,
            )
        elif not found.is_active:
            yield Problem(
                what="its agent takes no tasks: the master has lost its connection",
                remedy="see on the host: systemctl status mesos-agent",
                host=wanted.host,
            )
        for name, amount in wanted.resources.items():
            has = found.resources.get(name, 0.0)
            if abs(has - amount) >= 0.001:
                yield Problem(
                    what=f"its agent has {has:g} {name}, not {amount:g}",
                    remedy=f"{AGAIN} (the agent starts anew)",
                    host=wanted.host,
                )


def find_agent(
    wanted: ExpectedAgent, registered: Iterable[RegisteredAgent]
) -> RegisteredAgent | None:
    """By its address or its name."""
    for agent in registered:
        if agent.address == wanted.address or agent.hostname in (wanted.host, wanted.address):
            return agent
    return None


def hosts_that_take_tasks(
    expected: Iterable[ExpectedAgent], registered: tuple[RegisteredAgent, ...] | Missing
) -> list[str]:
    """Hosts whose agent is registered and active; none where no master tells."""
    if isinstance(registered, Missing):
        return []
    found = ((wanted.host, find_agent(wanted, registered)) for wanted in expected)
    return [host for host, agent in found if agent is not None and agent.is_active]


def agents_seen(
    expected: Iterable[ExpectedAgent], registered: tuple[RegisteredAgent, ...] | Missing
) -> str:
    """How many there are, with what they have together."""
    if isinstance(registered, Missing):
        return registered.why
    found = [find_agent(wanted, registered) for wanted in expected]
    ours = [agent for agent in found if agent is not None]
    cpus = sum(agent.resources.get("cpus", 0.0) for agent in ours)
    memory = sum(agent.resources.get("mem", 0.0) for agent in ours)
    others = [agent.hostname for agent in registered if agent not in ours]
    more = f"; {named(others)} not in the inventory" if others else ""
    return f"{len(ours)} registered, with {cpus:g} cpus and {memory:g} MB{more}"
