"""`mrunkit init` where there is no room for what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_what_could_not_be_written_whole_does_not_stay(tmp_path: Path) -> None:
    """When there is room again, the next try finds nothing in its way."""
    command = [sys.executable, "-m", "mrunkit", "init", str(tmp_path / "lab")]
    target = tmp_path / "lab" / "inventory.ini"
    ended = subprocess.run(
        ["sh", "-c", 'ulimit -f 1 && exec "$@"', "sh", *command],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"mrunkit: cannot write {target}: ")
    assert not target.exists()
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
