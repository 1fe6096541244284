"""mrunkit as a user runs it: a process to its end."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mrunkit:
    """Runs the command in a directory of its own."""

    work: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `mrunkit WORDS` to its end; options are those of subprocess.run."""
        kept = {name: value for name, value in os.environ.items() if name[:8] != "MRUNKIT_"}
        return subprocess.run(
            [sys.executable, "-m", "mrunkit", *words],
            capture_output=True,
            text=True,
            cwd=self.work,
            env={**kept, **self.variables},
            check=False,
            **options,
        )

    def on_terminal(self, *words: str) -> tuple[int, str]:
        """Run `mrunkit WORDS` on a terminal of its own; its status, and what was to be seen."""
        variables = {**os.environ, **self.variables, "TERM": "xterm", "COLUMNS": "120"}
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "mrunkit", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.work,
            env=variables,
        ) as process:
            os.close(theirs)
            seen = b""
            with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
                while data := os.read(ours, 65536):
                    seen += data
            os.close(ours)
        return process.returncode, seen.decode()
