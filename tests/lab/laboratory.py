"""The command `mrunkit lab`, run as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 1500.0
"""For one command: guests without KVM on two busy processors."""


class Laboratory:
    """Runs commands against labs in a state directory of their own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        # Names of containers are the engine's, which other tests use too.
        self.name = f"t{uuid.uuid4().hex[:8]}"

    def mrunkit(
        self, *words: str, check: bool = True, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; with `check`, it has to succeed."""
        done = subprocess.run(
            command(*words),
            env=self.environ(**environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; its stderr is to be read."""
        return subprocess.Popen(
            command(*words),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ssh(self, host: str, *words: str, check: bool = True) -> str:
        """What a command prints on a host of the lab."""
        done = self.mrunkit("lab", "ssh", "--name", self.name, host, "--", *words, check=check)
        return done.stdout.strip()

    def listed(self) -> dict[str, Any]:
        """Our lab, as `ls --json` tells it."""
        (found,) = json.loads(self.mrunkit("lab", "ls", "--json").stdout)
        entry: dict[str, Any] = found
        return entry

    def names(self) -> list[str]:
        """The labs that there are."""
        return [entry["name"] for entry in json.loads(self.mrunkit("lab", "ls", "--json").stdout)]

    def files(self) -> list[Path]:
        """What is in the state directory of labs."""
        root = self.state / "labs"
        return sorted(root.rglob("*")) if root.exists() else []

    def environ(self, **others: str) -> dict[str, str]:
        """The environment of a command."""
        return {**os.environ, "MRUNKIT_STATE_DIR": str(self.state), **others}


def command(*words: str) -> list[str]:
    """The command line of mrunkit."""
    return [sys.executable, "-m", "mrunkit", *words]


def until(is_so: Callable[[], bool], *, seconds: float) -> None:
    """Wait for something that nobody tells of; it has to come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.5)
