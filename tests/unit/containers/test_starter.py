"""How mpiexec's words get into its container: by a shell there, from its stdin."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mrunkit.containers.mpiexec import STARTER, starter_input
from mrunkit.hydra.arguments import LAST_VARIABLE, hidden_variables

WORDS = [
    "",
    "a b",
    "line\nline\n",
    "\n",
    "\\n \\\\ \\c \\0101",
    "'$HOME'",
    "HYDRA_LAUNCH_END",
    "%b é",
]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_words_come_through_as_they_are(shell: str, tmp_path: Path) -> None:
    """Whatever is in them; and what follows on stdin is the program's."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    mpiexec = tmp_path / "mpiexec.hydra"
    mpiexec.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\ncat\n')
    mpiexec.chmod(0o755)
    done = subprocess.run(
        [*([shell] if shell != "busybox" else [shell, "sh"]), "-c", STARTER],
        input=starter_input([*WORDS, "caf\udce9"]) + b"the rest\n",
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        check=True,
    )
    *words, rest = done.stdout.split(b"\0")
    assert [os.fsdecode(word) for word in words] == [*WORDS, "caf\udce9"]
    assert rest == b"the rest\n"


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_variables_come_through_as_they_are(shell: str, tmp_path: Path) -> None:
    """The shell's own have other names; and one follows that mpiexec may lose."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    mpiexec = tmp_path / "mpiexec.hydra"
    mpiexec.write_text("#!/bin/sh\ncat /proc/$$/environ\n")
    mpiexec.chmod(0o755)
    names = ("count", "word", "n", "w", "_1")
    assert len(hidden_variables(dict.fromkeys(names, "x"))) == len(names)
    done = subprocess.run(
        [*([shell] if shell != "busybox" else [shell, "sh"]), "-c", STARTER],
        input=starter_input(WORDS),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **dict.fromkeys(names, "theirs")},
        capture_output=True,
        check=True,
    )
    found = done.stdout.decode().split("\0")[:-1]
    assert [name for name in names if f"{name}=theirs" in found] == [*names]
    assert found[-1] == f"{LAST_VARIABLE}="


@pytest.mark.parametrize("cut", [b"", b"3\n", b"3\na\nb\n"])
def test_words_that_break_off_start_nothing(cut: bytes) -> None:
    """The client was killed."""
    done = subprocess.run(["sh", "-c", STARTER], input=cut, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (69, b"")
