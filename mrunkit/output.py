"""What mrunkit itself says, on stderr: a line per phase, and a live line on a terminal.

Owns the logging set-up and the words about a job; cli/ has tables and bars of its own. Everything
else only logs, or calls a Reporter.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from mrunkit.errors import MrunkitError
from mrunkit.scheduler.gang import Gang, State
from mrunkit.scheduler.job import JobSpec

if TYPE_CHECKING:
    from rich.status import Status

PREFIX = "mrunkit: "

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tabs and the ends of lines."""

OFFERS = "offers"
"""The phase until all is placed, in a result's `phases`."""


class Reporter(Protocol):
    """Tells the user how a job goes; a job is worth more than that somebody can be told."""

    def asked(self, spec: JobSpec, program: str, master: str) -> None:
        """What is going to be run."""

    def changed(self, before: Gang, after: Gang) -> None:
        """An event was handled; it may have changed nothing worth telling."""

    def note(self, message: str) -> None:
        """Something worth knowing that is not a phase."""

    def ended(self, result: dict[str, Any]) -> None:
        """The result, with the keys of `mrunkit jobs --json`."""


class SilentReporter:
    """Says nothing (-q); errors are said by whoever ends the command."""

    def asked(self, spec: JobSpec, program: str, master: str) -> None:
        """Say nothing."""

    def changed(self, before: Gang, after: Gang) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def ended(self, result: dict[str, Any]) -> None:
        """Say nothing."""


class JsonReporter(SilentReporter):
    """Says the result only, as one line of JSON (--json)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def ended(self, result: dict[str, Any]) -> None:
        """Print the result."""
        with contextlib.suppress(OSError):
            print(json.dumps(result), file=self._stream, flush=True)


class LineReporter:
    """One line per phase."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def asked(self, spec: JobSpec, program: str, master: str) -> None:
        """Print what is going to be run."""
        self.note(describe_request(spec, program, master))

    def changed(self, before: Gang, after: Gang) -> None:
        """Print what has been reached."""
        for line in describe_change(before, after):
            self.note(line)

    def note(self, message: str) -> None:
        """Print a line."""
        with contextlib.suppress(OSError):
            print(PREFIX + plain(message), file=self._stream, flush=True)

    def ended(self, result: dict[str, Any]) -> None:
        """Print how it ended, with the times of the phases.

        Why a job has ended that never got beyond offers is said without this.
        """
        if {name for name, _ in result["phases"]} - {OFFERS}:
            self.note(describe_result(result))


class LiveReporter(LineReporter):
    """Lines as well, and below them what is being waited for until MPI starts."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._status: Status | None = None

    def changed(self, before: Gang, after: Gang) -> None:
        """Print what has been reached, and show what is next."""
        waiting = describe_waiting(after)
        # Before the ranks' first output: two writers on one terminal do not mix.
        if waiting is None or describe_change(before, after):
            self._stop()
        super().changed(before, after)
        if waiting is not None:
            self._show(waiting)

    def ended(self, result: dict[str, Any]) -> None:
        """Print how it ended."""
        self._stop()
        super().ended(result)

    def _show(self, waiting: str) -> None:
        with contextlib.suppress(OSError):
            if self._status is not None:
                self._status.update(waiting)
                return
            from rich.console import Console
            from rich.status import Status

            self._status = Status(waiting, console=Console(file=self._stream))
            self._status.start()

    def _stop(self) -> None:
        status, self._status = self._status, None
        if status is not None:
            with contextlib.suppress(OSError):
                status.stop()


def say_error(error: MrunkitError) -> None:
    """Say on stderr why a command failed, if that can be written."""
    with contextlib.suppress(OSError):
        print(describe_error(error), file=sys.stderr, flush=True)


def reporter(*, is_quiet: bool, is_json: bool, is_terminal: bool) -> Reporter:
    """The reporter for the command line's options."""
    if is_json:
        return JsonReporter(sys.stderr)
    if is_quiet:
        return SilentReporter()
    return LiveReporter(sys.stderr) if is_terminal else LineReporter(sys.stderr)


# --- what is said, as pure functions --------------------------------------------------


def describe_request(spec: JobSpec, program: str, master: str) -> str:
    """What was asked: ranks, nodes, resources."""
    sizes = spec.slot_sizes
    shape = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[-1]} or {sizes[0]}"
    program = " ".join(program.split())
    cpus = "1 cpu" if spec.rank.cpus == 1 else f"{spec.rank.cpus:g} cpus"
    return (
        f"job {spec.job_id}: {counted(spec.procs, 'rank')} of {program} "
        f"on {counted(spec.nodes, 'node')} of {master} ({shape} per node; "
        f"{cpus}, {spec.rank.mem:g} MB per rank)"
    )


def describe_change(before: Gang, after: Gang) -> list[str]:
    """The lines for what an event has changed; most often none."""
    lines = [f"{failure}; replacing it" for failure in after.failures[len(before.failures) :]]
    if after.slots_offered != before.slots_offered and not after.is_complete:
        offered = f"offers collected {after.slots_offered}/{after.spec.nodes}"
        names = " ".join(task.hostname for task in after.current_tasks[:8])
        more = " ..." if len(after.current_tasks) > 8 else ""
        lines.append(f"{offered}: {names}{more}" if names else offered)
    if after.state is not before.state:
        if after.state is State.CONNECTING:
            lines.append(f"proxies running {after.spec.nodes}/{after.spec.nodes}")
        elif after.state is State.RUNNING:
            lines.append("MPI started")
    return lines


def describe_waiting(gang: Gang) -> str | None:
    """What is being waited for; None once MPI starts."""
    if gang.state is State.COLLECTING:
        if not gang.is_connected:
            return "waiting for the master"
        return f"waiting for offers: {gang.slots_offered}/{gang.spec.nodes}"
    if gang.state is State.LAUNCHING:
        running = sum(task.proxy_address is not None for task in gang.current_tasks)
        return f"waiting for proxies: {running}/{gang.spec.nodes}"
    return None


def describe_result(result: dict[str, Any]) -> str:
    """How the job ended, with the time of each phase."""
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result["phases"])
    total = sum(seconds for _, seconds in result["phases"])
    return f"exit status {result['exit_status']} after {total:.2f} s ({phases})"


def describe_placement(gang: Gang) -> str:
    """A dry run's answer: agents with their ranks, and what they would give."""
    rank = gang.spec.rank
    rows: list[tuple[str, ...]] = [("HOST", "ADDRESS", "RANKS", "CPUS", "MEM")]
    rows += [
        (c.hostname, c.address, str(n), f"{(rank * n).cpus:g}", f"{(rank * n).mem:g}")
        for c, n in gang.placement
    ]
    return "\n".join(aligned(rows))


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of a table as lines, each column as wide as its widest cell."""
    rows = [tuple(map(plain, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def describe_error(error: MrunkitError) -> str:
    """An error, of which each line is a problem of its own, and its remedy."""
    lines = str(error).splitlines() + ([f"  {error.remedy}"] if error.remedy else [])
    return "\n".join(PREFIX + plain(line) for line in lines)


def plain(text: str) -> str:
    """A text without what a terminal would take for commands.

    Hosts, images and masters say what they like, and their words are in many of ours.
    """
    return _CONTROL.sub("?", text)


def counted(count: int, what: str) -> str:
    """A number with its noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"


# --- logging --------------------------------------------------------------------------


def set_up_logging(*, is_verbose: bool) -> None:
    """Log to stderr: everything of ours with -v, else nothing below errors of others."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.DEBUG if is_verbose else logging.ERROR)
    # Their errors are our events; they also log what they then handle.
    for name in ("pymesos", "kazoo", "asyncio"):
        logging.getLogger(name).setLevel(logging.INFO if is_verbose else logging.CRITICAL)
