"""How far a playbook is, folded from Ansible's events: `advance(progress, event)`, and no more.

A step is one of site.yml's, by which its plays are named, else a role, else a play. Times are
those of the events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

Event = Mapping[str, Any]
"""As ansible-runner has it. Source: Ansible Runner's documentation, Runner event schema."""

WARNING = "WARNING: "
"""With it begins what a playbook says that is no failure, and should be read all the same."""

_TASK_STARTED = {"playbook_on_task_start", "playbook_on_handler_task_start"}
_TASK_ENDED = {"runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable"}
_ERROR_MARKS = ("ERROR! ", "[ERROR]: ")
"""Before what Ansible says of itself rather than of a host; the second since 2.19."""


class Status(Enum):
    """What became of a host in a step."""

    PENDING = "pending"
    """It has not been touched."""
    RUNNING = "running"
    """The step goes on, and it takes part."""
    OK = "ok"
    """All was as it should be."""
    CHANGED = "changed"
    """Something was changed on it."""
    FAILED = "failed"
    """A task failed; Ansible does no more with this host."""
    UNREACHABLE = "unreachable"
    """ssh does not get there; Ansible does no more with this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A task that failed on a host."""

    host: str
    step: str
    task: str
    action: str
    """The module: ansible.builtin.apt."""
    result: Mapping[str, Any]
    is_unreachable: bool = False

    @property
    def says_it_itself(self) -> bool:
        """The task is there to tell the user something, in its own words."""
        return self.action.rpartition(".")[2] in ("fail", "assert")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWarning:
    """What a playbook said on a host that should be read."""

    host: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of a playbook's run."""

    steps: tuple[str, ...]
    hosts: tuple[str, ...]
    cells: Mapping[str, Mapping[str, Status]] = field(default_factory=dict)
    """By step and host; what is not there is pending."""
    step: str | None = None
    """The one that goes on."""
    task: str = ""
    waiting: frozenset[str] = frozenset()
    """Hosts on which the task runs."""
    began: float = 0.0
    """When the step (again) began."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long the steps took that are over."""
    failures: tuple[Failure, ...] = ()
    """All that there were, also those that were rescued, or were not to matter."""
    lost: frozenset[str] = frozenset()
    """The hosts that Ansible gave up, known at the end."""
    changed: frozenset[str] = frozenset()
    """The hosts on which something was changed, known at the end."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """lab_address by host, as found."""
    errors: tuple[str, ...] = ()
    """What Ansible says that is about no host."""
    warnings: tuple[HostWarning, ...] = ()
    """Each once."""

    def status(self, host: str, step: str) -> Status:
        """Of a host in a step."""
        return self.cells.get(step, {}).get(host, Status.PENDING)

    @property
    def fatal(self) -> tuple[Failure, ...]:
        """What cost the lost hosts; if none is told, all that nothing has made up for."""
        bad = (Status.FAILED, Status.UNREACHABLE)
        last = {failure.host: failure for failure in self.failures}.values()
        return tuple(failure for failure in last if failure.host in self.lost) or tuple(
            failure for failure in last if self.status(failure.host, failure.step) in bad
        )


def advance(progress: Progress, event: Event) -> Progress:
    """What an event makes of the progress; most events change little or nothing."""
    kind = event["event"]
    data = event.get("event_data", {})
    if kind in _TASK_STARTED:
        return _begin_task(progress, data, _time(event))
    if kind == "runner_on_start":
        return _begin_on_host(progress, data["host"])
    if kind in _TASK_ENDED:
        return _end_task(progress, kind, data)
    if kind == "playbook_on_stats":
        return _end(progress, data, _time(event))
    said = event.get("stdout", "").strip()
    if said.startswith(_ERROR_MARKS):
        return dataclasses.replace(progress, errors=(*progress.errors, said))
    return progress


def _begin_task(progress: Progress, data: Mapping[str, Any], now: float) -> Progress:
    step = _step(progress, data)
    if step != progress.step:
        steps = progress.steps
        if step not in steps:
            place = steps.index(progress.step) + 1 if progress.step else len(steps)
            steps = (*steps[:place], step, *steps[place:])
        progress = dataclasses.replace(_end_step(progress, now), steps=steps, step=step, began=now)
    return dataclasses.replace(progress, task=data["task"], waiting=frozenset())


def _step(progress: Progress, data: Mapping[str, Any]) -> str:
    """`Mesos masters` belongs to mesos, whichever roles it uses."""
    first_word = str(data["play"]).partition(" ")[0].lower()
    if first_word in progress.steps:
        return first_word
    return str(data.get("role") or data["play"])


def _end_task(progress: Progress, kind: str, data: Mapping[str, Any]) -> Progress:
    host, result = data["host"], data.get("res") or {}
    address = (result.get("ansible_facts") or {}).get("lab_address")
    if address:
        found = {**progress.addresses, host: str(address)}
        progress = dataclasses.replace(progress, addresses=found)
    said = result.get("msg")
    if isinstance(said, str) and said.startswith(WARNING) and data["task_action"].endswith("debug"):
        warning = HostWarning(host=host, text=said.removeprefix(WARNING))
        known = dict.fromkeys((*progress.warnings, warning))
        progress = dataclasses.replace(progress, warnings=tuple(known))
    is_unreachable = kind == "runner_on_unreachable"
    progress = dataclasses.replace(progress, waiting=progress.waiting - {host})
    if data.get("ignore_errors") or kind in ("runner_on_ok", "runner_on_skipped"):
        is_changed = kind == "runner_on_ok" and result.get("changed")
        return _mark(progress, host, Status.CHANGED) if is_changed else progress
    failure = Failure(
        host=host,
        step=progress.step or "",
        task=data["task"],
        action=data["task_action"],
        result=result,
        is_unreachable=is_unreachable,
    )
    progress = dataclasses.replace(progress, failures=(*progress.failures, failure))
    status = Status.UNREACHABLE if is_unreachable else Status.FAILED
    return _mark(progress, host, status)


def _begin_on_host(progress: Progress, host: str) -> Progress:
    waiting = progress.waiting | {host}
    hosts = progress.hosts if host in progress.hosts else (*progress.hosts, host)
    progress = dataclasses.replace(progress, waiting=waiting, hosts=hosts)
    status = progress.status(host, progress.step or "")
    # A host that failed and goes on has been rescued, or it was not to matter.
    return progress if status is Status.CHANGED else _mark(progress, host, Status.RUNNING)


def _mark(progress: Progress, host: str, status: Status) -> Progress:
    step = progress.step or ""
    if status is progress.status(host, step):
        return progress
    cells = {**progress.cells.get(step, {}), host: status}
    return dataclasses.replace(progress, cells={**progress.cells, step: cells})


def _end_step(progress: Progress, now: float) -> Progress:
    if progress.step is None:
        return progress
    cells = {
        host: Status.OK if status is Status.RUNNING else status
        for host, status in progress.cells.get(progress.step, {}).items()
    }
    before = progress.seconds.get(progress.step, 0.0)
    return dataclasses.replace(
        progress,
        step=None,
        task="",
        waiting=frozenset(),
        cells={**progress.cells, progress.step: cells},
        seconds={**progress.seconds, progress.step: before + now - progress.began},
    )


def _end(progress: Progress, stats: Mapping[str, Any], now: float) -> Progress:
    """Only now is it known which hosts were lost, and which were rescued."""
    progress = dataclasses.replace(
        _end_step(progress, now),
        lost=frozenset({*stats.get("failures", {}), *stats.get("dark", {})}),
        changed=frozenset(stats.get("changed", {})),
    )
    # A host that failed, went on to clean up, and was lost all the same.
    cells = {step: dict(of_step) for step, of_step in progress.cells.items()}
    for failure in progress.fatal:
        status = Status.UNREACHABLE if failure.is_unreachable else Status.FAILED
        cells.setdefault(failure.step, {})[failure.host] = status
    return dataclasses.replace(progress, cells=cells)


def _time(event: Event) -> float:
    return datetime.fromisoformat(event["created"]).timestamp()
