"""What is read from a process' surroundings, odd ones as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mrunkit.settings import account_name

NOBODYS_UID = 54321
ALICE = {"LOGNAME": "alice", "USER": "alice"}


def test_an_account_is_that_of_the_process() -> None:
    """Not the one that somebody was before `su`."""
    assert account_name(0, ALICE) == "root"


@pytest.mark.parametrize(
    ("environ", "name"), [(ALICE, "alice"), ({"USER": "bob"}, "bob"), ({}, "54321")]
)
def test_an_account_without_a_name(environ: dict[str, str], name: str) -> None:
    """Gets what comes nearest to one."""
    assert account_name(NOBODYS_UID, environ) == name


def test_a_directory_that_was_removed(tmp_path: Path) -> None:
    """Is told in words."""
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    words = [sys.executable, "-P", "-m", "mrunkit", "run", "local", "true"]
    done = subprocess.run(
        ["sh", "-c", shell, "sh", str(gone), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (
        125,
        "mrunkit: this directory has been removed\nmrunkit:   cd to one that is there\n",
    )
