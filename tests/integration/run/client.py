"""mrunkit as a user runs it: a process, what it says, and what it wrote down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leftovers import PATIENCE, STARTED, until

EXAMPLES = Path(__file__).parents[3] / "examples"

HELLO = str(EXAMPLES / "hello_world")
EXIT_CODE = str(EXAMPLES / "exit_code")
FOREVER = str(EXAMPLES / "forever")
PI = str(EXAMPLES / "pi")
RING = str(EXAMPLES / "ring")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the command ended, and all it said."""

    status: int
    """Negative if a signal ended it."""
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout, sorted: ranks take turns as they like."""
        return sorted(self.stdout.splitlines())


class Client:
    """One mrunkit, running in a process group of its own as a shell would start it."""

    def __init__(
        self,
        words: list[str],
        *,
        directory: Path,
        cwd: Path,
        environ: Mapping[str, str],
        stdin: bytes | None,
    ) -> None:
        directory.mkdir()
        self._stdout, self._stderr = directory / "stdout", directory / "stderr"
        self.events_file = directory / "events.jsonl"
        source = directory / "stdin"
        source.write_bytes(stdin or b"")
        with (
            source.open("rb") as read,
            self._stdout.open("wb") as out,
            self._stderr.open("wb") as err,
        ):
            self._process = subprocess.Popen(
                [word.replace("{events}", str(self.events_file)) for word in words],
                # Open and silent, as a terminal. At an end of stdin mpiexec fails now and then
                # if rank 0 ends at the same time, as programs do that are not MPI's.
                stdin=subprocess.PIPE if stdin is None else read,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=environ,
                process_group=0,
            )
        STARTED.add(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has written to stdout until now."""
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """What it has written to stderr until now."""
        return self._stderr.read_text(errors="replace")

    @property
    def job_id(self) -> str:
        """Its job's, as it said it."""
        return self.stderr.partition("job ")[2].partition(":")[0]

    @property
    def events(self) -> list[Json]:
        """The complete lines of its --events {events} until now."""
        if not self.events_file.exists():
            return []
        text = self.events_file.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def until_said(self, text: str, times: int = 1) -> None:
        """Wait until it has written this, to stdout or stderr."""
        self._until(lambda: (self.stdout + self.stderr).count(text) >= times, repr(text))

    def until_event(self, type_: str, **fields: object) -> None:
        """Wait for an event, command or state in its --events."""

        def has_happened() -> bool:
            return any(
                event["type"] == type_ and fields.items() <= event.items() for event in self.events
            )

        self._until(has_happened, f"{type_} {fields}")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        def is_so() -> bool:
            has_ended = self._process.poll() is not None  # before looking at its last words
            if condition():
                return True
            assert not has_ended, f"ended without {what}: {self.wait()}"
            return False

        until(is_so, what)

    def until_state(self, state: str) -> None:
        """Wait until its gang has come to a state."""
        self.until_event("State", value=state)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group, as a terminal does."""
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """kill -9 of the client alone."""
        self._process.kill()
        self.wait()

    def wait(self, patience: float = 2 * PATIENCE) -> Ended:
        """Wait for its end."""
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {patience:g} s; it said {self.stderr}") from None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Ended(status=status, stdout=self.stdout, stderr=self.stderr)


@dataclass(kw_only=True)
class Mrunkit:
    """Runs the command with a state directory and a TMPDIR of its own."""

    directory: Path
    clients: list[Client] = field(default_factory=list)

    @property
    def tmp(self) -> Path:
        """TMPDIR of all clients."""
        return self.directory / "tmp"

    @property
    def state_dir(self) -> Path:
        """Where records go."""
        return self.directory / "state"

    @property
    def work(self) -> Path:
        """Where clients are started."""
        return self.directory / "work"

    def environ(self, **variables: str) -> dict[str, str]:
        """The environment of a client."""
        kept = {name: value for name, value in os.environ.items() if name[:8] != "MRUNKIT_"}
        ours = {"MRUNKIT_STATE_DIR": str(self.state_dir), "TMPDIR": str(self.tmp)}
        return {**kept, **ours, **variables}

    def start(
        self, *words: str, stdin: bytes | None = None, variables: Mapping[str, str] | None = None
    ) -> Client:
        """Start `mrunkit WORDS`; {events} in them stands for the client's own file."""
        client = Client(
            [sys.executable, "-m", "mrunkit", *words],
            directory=self.directory / f"client{len(self.clients)}",
            cwd=self.work,
            environ=self.environ(**(variables or {})),
            stdin=stdin,
        )
        self.clients.append(client)
        return client

    def start_run(self, *words: str, **options: Any) -> Client:
        """Start `mrunkit run`, with its events in a file."""
        return self.start("run", "--events", "{events}", *words, **options)

    def run(self, *words: str, **options: Any) -> Ended:
        """`mrunkit run` to its end."""
        return self.start("run", *words, **options).wait()

    def records(self) -> list[Json]:
        """The records of all jobs, as `mrunkit jobs --json` shows them."""
        listed = self.start("jobs", "--json").wait()
        assert (listed.status, listed.stderr) == (0, "")
        records: list[Json] = json.loads(listed.stdout)
        return records
