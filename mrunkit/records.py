"""What stays of a job when it has ended: one directory of JSON files each.

Owns every file name below `jobs` in the state directory. Decides nothing; writes what it is given.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

from mrunkit.errors import MrunkitError
from mrunkit.process_identity import ProcessIdentity, started_at

RECORD = "job.json"
EVENTS = "events.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as `mrunkit jobs` shows it; times are seconds since the epoch."""

    job_id: str
    name: str
    program: tuple[str, ...]
    master: str
    nodes: int
    procs: int
    cpus: float
    """Per rank."""
    mem: float
    """MB per rank."""
    started: float
    ended: float | None = None
    pid: int
    """Of the client that runs it."""
    client: str
    """Host of the client."""
    client_started: int | None = None
    """As in ProcessIdentity; None in records that older versions wrote."""
    hosts: tuple[tuple[str, int], ...] = ()
    """Host names with their ranks."""
    exit_status: int | None = None
    message: str = ""
    phases: tuple[tuple[str, float], ...] = ()
    """Names of the phases with their seconds."""

    def state(self, *, hostname: str, booted: float) -> str:
        """Where the job is: running, done, failed, or lost with its client.

        `booted`: when this host was, in seconds since the epoch.
        """
        if self.exit_status is not None:
            return "done" if self.exit_status == 0 else "failed"
        return "lost" if self._is_client_gone(hostname, booted) else "running"

    def _is_client_gone(self, hostname: str, booted: float) -> bool:
        """Whether it is sure that it is: its number may be another process' by now."""
        if self.client != hostname:
            return False
        if self.client_started is None:
            return self.started < booted or started_at(self.pid) is None
        client = ProcessIdentity(hostname=self.client, pid=self.pid, started=self.client_started)
        return client.is_gone(hostname=hostname)


class Records:
    """The state directory of one user."""

    def __init__(self, state_dir: Path) -> None:
        self.jobs_dir = state_dir / "jobs"

    def write(self, record: JobRecord) -> None:
        """Write a job's record, all or nothing; raises OSError."""
        directory = self._made(record.job_id)
        unfinished = directory / f"{RECORD}.new"
        unfinished.write_text(json.dumps(dataclasses.asdict(record)) + "\n")
        unfinished.replace(directory / RECORD)

    def open_events(self, job_id: str) -> TextIO:
        """The file for a job's events, line-buffered; raises OSError."""
        return (self._made(job_id) / EVENTS).open("w", buffering=1)

    def _made(self, job_id: str) -> Path:
        """A job's directory. The arguments of programs are nobody else's business."""
        self.jobs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = self.jobs_dir / job_id
        directory.mkdir(exist_ok=True)
        return directory

    def read(self, job_id: str) -> JobRecord:
        """One job's record; raises MrunkitError if there is none."""
        path = self.jobs_dir / job_id / RECORD
        try:
            return _parse(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise MrunkitError(
                f"there is no job {job_id!r}", remedy="mrunkit jobs lists those there are"
            ) from error

    def read_events(self, job_id: str) -> list[dict[str, Any]]:
        """A job's events, as far as they were written."""
        try:
            lines = (self.jobs_dir / job_id / EVENTS).read_text(errors="replace").splitlines()
        except OSError:
            return []
        return list(_parsed_lines(lines))

    def all(self) -> list[JobRecord]:
        """All readable records, the newest last."""
        records = []
        for path in sorted(self.jobs_dir.glob(f"*/{RECORD}")):
            with contextlib.suppress(MrunkitError):
                records.append(self.read(path.parent.name))
        return sorted(records, key=lambda record: record.started)


def _parsed_lines(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError):  # the last one of a killed client, or of a crash
            event = json.loads(line)
            if _is_event(event):
                yield event


def _is_event(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and isinstance(event.get("time"), int | float)
        and isinstance(event.get("type"), str)
    )


def _parse(raw: dict[str, Any]) -> JobRecord:
    raw = dict(raw)
    for key in ("hosts", "phases"):
        raw[key] = tuple((name, amount) for name, amount in raw.get(key, ()))
    raw["program"] = tuple(raw["program"])
    return JobRecord(**raw)


class EventLog:
    """JSON lines of all that happens to a job, to any number of files.

    A file that cannot be written any more gets nothing more; `on_failed` is told its name and why.
    """

    def __init__(
        self,
        files: Iterable[TextIO],
        on_failed: Callable[[str, OSError], None] = lambda name, error: None,
    ) -> None:
        self._files = list(files)
        self._on_failed = on_failed

    def write(self, time: float, kind: str, value: Any) -> None:
        """One line: the time (seconds since the epoch), what it is, and its fields."""
        entry: dict[str, Any] = {"time": round(time, 6), "kind": kind}
        entry["type"] = type(value).__name__
        entry |= to_json(value) if dataclasses.is_dataclass(value) else {"value": to_json(value)}
        line = json.dumps(entry) + os.linesep
        for file in tuple(self._files):
            try:
                file.write(line)
            except OSError as error:
                self._files.remove(file)
                with contextlib.suppress(OSError):  # it tries to write the line again
                    file.close()
                self._on_failed(file.name, error)

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            try:
                file.close()
            except OSError as error:  # a file system over the network may tell it now
                self._on_failed(file.name, error)


def to_json(value: Any) -> Any:
    """A value of the scheduler as JSON."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list | frozenset | set):
        items = sorted(value) if isinstance(value, frozenset | set) else value
        return [to_json(item) for item in items]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    return value
