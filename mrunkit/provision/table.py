"""A playbook's progress as text: a table that fits a terminal, and lines for a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mrunkit.output import counted
from mrunkit.provision.names import shortened
from mrunkit.provision.progress import Progress, Status

_NAMED = 5
"""So many hosts are named; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A host, or in a folded table all hosts of one status."""

    label: str
    cells: tuple[str, ...]
    """One for each step."""


def table(progress: Progress, height: int) -> list[Row]:
    """A row per host; where `height` is too small, counts, and the hosts that failed."""
    if len(progress.hosts) <= height:
        return [_host_row(progress, host) for host in progress.hosts]
    counts = {
        step: Counter(progress.status(host, step) for host in progress.hosts)
        for step in progress.steps
    }
    rows = [
        Row(
            label=status.value,
            cells=tuple(str(counts[step][status] or "") for step in progress.steps),
        )
        for status in Status
        if any(counts[step][status] for step in progress.steps)
    ]
    bad = [failure.host for failure in progress.fatal]
    return rows + [_host_row(progress, host) for host in bad[: max(height - len(rows), 0)]]


def _host_row(progress: Progress, host: str) -> Row:
    return Row(label=host, cells=tuple(_cell(progress, host, step) for step in progress.steps))


def _cell(progress: Progress, host: str, step: str) -> str:
    status = progress.status(host, step)
    if status is Status.PENDING:
        return "-" if step in progress.seconds else ""
    return str(status.value)


def describe_task(progress: Progress) -> str:
    """What goes on, and which hosts it waits for."""
    if progress.step is None:
        return ""
    waiting = [host for host in progress.hosts if host in progress.waiting]
    on = f" on {name_hosts(waiting)}" if waiting else ""
    return f"{progress.step}: {progress.task}{on}"


def describe_advance(before: Progress, after: Progress) -> list[str]:
    """A line for a step that is over; most often none."""
    return [
        _describe_step(after, step)
        for step, seconds in after.seconds.items()
        if seconds != before.seconds.get(step)
    ]


def _describe_step(progress: Progress, step: str) -> str:
    by_status: dict[Status, list[str]] = {}
    for host, status in progress.cells.get(step, {}).items():
        by_status.setdefault(status, []).append(host)
    told = [
        f"{len(hosts)} {status.value}"
        + (f" ({name_hosts(hosts)})" if status in (Status.FAILED, Status.UNREACHABLE) else "")
        for status in Status
        if (hosts := by_status.get(status))
    ]
    return f"{step}: {', '.join(told) or 'no host'}, {progress.seconds[step]:.1f} s"


def describe_end(progress: Progress) -> str:
    """One line for all of it."""
    touched = {host for cells in progress.cells.values() for host in cells}
    told = [counted(len(touched), "host")]
    told += [f"{len(progress.changed)} changed" if progress.changed else "nothing changed"]
    told += [f"{len(progress.lost)} failed"] if progress.lost else []
    return f"{', '.join(told)}, {sum(progress.seconds.values()):.1f} s"


def name_hosts(hosts: list[str]) -> str:
    """The first few by name: `host1, host2 and 496 more`."""
    return shortened(hosts, most=_NAMED)
