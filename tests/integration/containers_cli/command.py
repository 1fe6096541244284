"""mrunkit as a user runs it: a process to its end."""

from __future__ import annotations

import os
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
