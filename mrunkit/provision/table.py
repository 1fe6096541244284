"""A playbook's progress as text: a table that fits a terminal, and lines for a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from mrunkit.output import counted
from mrunkit.provision.names import shortened
from mrunkit.provision.progress import Progress, Status

_NAMED = 5
"""So many hosts are named; the others are counted."""

WORDS: Mapping[Status, str] = {status: status.value for status in Status}
SHORT_WORDS: Mapping[Status, str] = {
    **WORDS,
    Status.RUNNING: "run",
    Status.CHANGED: "chg",
    Status.FAILED: "err",
    Status.UNREACHABLE: "off",
}
"""No longer than a step's name, with which the table fits into 80 columns."""
_USUAL = (Status.RUNNING, Status.OK, Status.CHANGED)
"""What hosts are where nothing goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A host, or all hosts of one status, or a step."""

    label: str
    cells: tuple[str, ...]
    """One for each step; of a step, the only one tells all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows in columns with a space between."""

    heading: tuple[str, ...]
    """Of the labels and of each cell; none where the cells need none."""
    rows: tuple[Row, ...]


def table(progress: Progress, *, width: int, height: int) -> Table:
    """As much as fits into so many columns, and so many rows beneath the heading.

    A row per host, in short words if need be. Where `height` is too small, counts, and the hosts
    that failed. Where `width` is, a row per step.
    """
    for words in (WORDS, SHORT_WORDS):
        if len(progress.hosts) <= height:
            rows = [_host_row(progress, host, words) for host in progress.hosts]
            # Else the table would change its words in the middle of a run.
            widest = max(len(words[status]) for status in _USUAL)
        else:
            rows = _count_rows(progress, height, words)
            widest = 0
        shown = Table(heading=("host", *progress.steps), rows=tuple(rows))
        if _width(shown, widest) <= width:
            return shown
    return Table(heading=(), rows=tuple(_step_rows(progress, width, max(height, 1))))


def _width(shown: Table, widest: int) -> int:
    """Columns that a table takes whose cells will have words of such a length."""
    labels, *columns = zip(
        shown.heading, *((row.label, *row.cells) for row in shown.rows), strict=True
    )
    widths = [max(widest, *map(len, column)) for column in columns]
    return max(map(len, labels)) + sum(1 + width for width in widths)


def _host_row(progress: Progress, host: str, words: Mapping[Status, str]) -> Row:
    cells = (_cell(progress, host, step, words) for step in progress.steps)
    return Row(label=host, cells=tuple(cells))


def _cell(progress: Progress, host: str, step: str, words: Mapping[Status, str]) -> str:
    status = progress.status(host, step)
    if status is Status.PENDING:
        return "-" if step in progress.seconds else ""
    return words[status]


def _count_rows(progress: Progress, height: int, words: Mapping[Status, str]) -> list[Row]:
    """A row per status, and of the hosts that failed as many as there is room for."""
    counts = {
        step: Counter(progress.status(host, step) for host in progress.hosts)
        for step in progress.steps
    }
    rows = [
        Row(
            label=words[status],
            cells=tuple(str(counts[step][status] or "") for step in progress.steps),
        )
        for status in Status
        if any(counts[step][status] for step in progress.steps)
    ]
    bad = [failure.host for failure in progress.fatal][: max(height - len(rows), 0)]
    return rows + [_host_row(progress, host, words) for host in bad]


def _step_rows(progress: Progress, width: int, height: int) -> list[Row]:
    """A row per step; where they are too many, those before the one that goes on."""
    steps = progress.steps
    reached = max((at for at, step in enumerate(steps, 1) if step in progress.cells), default=0)
    steps = steps[max(reached - height, 0) :][:height]
    labels = max(map(len, steps), default=0)
    labels = min(labels, width // 2)
    return [
        Row(label=_cut(step, labels), cells=(_cut(_tell_step(progress, step), width - labels - 1),))
        for step in steps
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


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
    told = _tell_step(progress, step) or "no host"
    return f"{step}: {told}, {progress.seconds[step]:.1f} s"


def _tell_step(progress: Progress, step: str) -> str:
    """What became of how many hosts, and which of them failed."""
    by_status: dict[Status, list[str]] = {}
    for host, status in progress.cells.get(step, {}).items():
        by_status.setdefault(status, []).append(host)
    told = [
        f"{len(hosts)} {status.value}"
        + (f" ({name_hosts(hosts)})" if status in (Status.FAILED, Status.UNREACHABLE) else "")
        for status in Status
        if (hosts := by_status.get(status))
    ]
    return ", ".join(told)


def describe_end(progress: Progress) -> str:
    """One line for all of it."""
    touched = {host for cells in progress.cells.values() for host in cells}
    told = [counted(len(touched), "host")]
    told += [f"{len(progress.changed)} changed" if progress.changed else "nothing changed"]
    told += [f"{len(progress.lost)} failed"] if progress.lost else []
    return f"{', '.join(told)}, {sum(progress.seconds.values()):.1f} s"


def describe_warnings(progress: Progress) -> list[str]:
    """What playbooks warned of: texts that differ by their host's name only, once for all."""
    places = {host: place for place, host in enumerate(progress.hosts)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for warning in progress.warnings:
        parts = tuple(re.split(_word(warning.host), warning.text))
        groups.setdefault(parts, []).append(warning.host)
    return [
        name_hosts(sorted(hosts, key=lambda host: places.get(host, len(places)))).join(parts)
        for parts, hosts in groups.items()
    ]


def _word(host: str) -> str:
    """A pattern for the name, where it is no part of a path or of another name."""
    return rf"(?<![\w./@-]){re.escape(host)}(?![\w/@-]|\.\w)"


def name_hosts(hosts: list[str]) -> str:
    """The first few by name: `host1, host2 and 496 more`."""
    return shortened(hosts, most=_NAMED)
