"""What is read from a process' surroundings, odd ones as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mrunkit.settings import account_name, cache_dir, state_dir

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


@pytest.mark.parametrize(
    ("environ", "state"),
    [
        ({}, "/home/me/.local/state/mrunkit"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/mrunkit"),
        ({"XDG_STATE_HOME": "xdg"}, "/home/me/.local/state/mrunkit"),
        ({"XDG_STATE_HOME": "/xdg", "MRUNKIT_STATE_DIR": "/own"}, "/own"),
    ],
)
def test_directories_are_where_the_environment_says(environ: dict[str, str], state: str) -> None:
    """After XDG, by which a relative path counts for nothing."""
    assert state_dir(environ, Path("/home/me")) == Path(state)
    cache = {
        name.replace("STATE_HOME", "CACHE_HOME").replace("STATE_DIR", "CACHE"): value
        for name, value in environ.items()
    }
    expected = Path(state.replace(".local/state", ".cache"))
    assert cache_dir(cache, Path("/home/me")) == expected


def test_a_relative_directory_is_one_of_where_mrunkit_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written down of it, as in an inventory, must hold elsewhere too."""
    monkeypatch.chdir(tmp_path)
    environ = {"MRUNKIT_STATE_DIR": "state", "MRUNKIT_CACHE": "cache"}
    found = (state_dir(environ, Path("/home/me")), cache_dir(environ, Path("/home/me")))
    assert found == (tmp_path / "state", tmp_path / "cache")


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
