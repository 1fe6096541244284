"""Ranks whose failure Hydra forgets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mrunkit.hydra.rank import failed_rank, with_failure_marked
from mrunkit.hydra.verdict import Verdict, verdict

FORGETFUL = "4.2.1"


@pytest.mark.parametrize("version", ["", "3.2.1", "3.4.3", "4.3.2", "4.20", "5.0.2", "14.1"])
def test_a_rank_is_left_alone_where_hydra_does_well(version: str) -> None:
    """No shell is between mpiexec and the program."""
    assert with_failure_marked(["./hello", "a b"], version) == ["./hello", "a b"]


@pytest.mark.parametrize("version", ["4.0", "4.0.2", "4.1.3", "4.2.1", "4.1rc1"])
def test_a_rank_has_a_shell_around_it_where_hydra_forgets(version: str) -> None:
    """Its words are not looked at by that shell."""
    words = with_failure_marked(["./hello", "a b", "$c"], version)
    assert words[:2] == ["/bin/sh", "-c"]
    assert words[-3:] == ["./hello", "a b", "$c"]


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("exit 130", 130),
        ("kill -SEGV $$", -11),
        ("kill -KILL $$", -9),
        ("kill -TERM $$", 143),
    ],
)
def test_a_rank_ends_as_its_program_and_leaves_a_mark(
    script: str, status: int, tmp_path: Path
) -> None:
    """No mark if it ended well; a crash stays one."""
    mark = tmp_path / "mark"
    done = subprocess.run(
        with_failure_marked(["sh", "-c", script], FORGETFUL),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(mark)},
        check=False,
    )
    assert done.returncode == status
    assert mark.exists() == (status != 0)


@pytest.mark.parametrize(
    ("program", "status", "reason"),
    [
        ("no-such-program", 127, "No such file or directory"),
        ("./no/such", 127, "No such file or directory"),
        ("./plain", 126, "Permission denied"),
    ],
)
def test_a_program_that_cannot_run_is_told_as_hydra_tells_it(
    program: str, status: int, reason: str, tmp_path: Path
) -> None:
    """So that the verdict is the same with and without a shell around a rank."""
    (tmp_path / "plain").touch()
    done = subprocess.run(
        with_failure_marked([program], FORGETFUL),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert verdict(done.returncode, done.stderr) == Verdict(
        exit_status=status, message=f"{program} cannot be run on a node: {reason}"
    )


@pytest.mark.parametrize("name", ["exit", "refuse"])
def test_a_program_is_no_word_of_the_shells(name: str, tmp_path: Path) -> None:
    """A file of that name runs, as it does without a shell."""
    program = tmp_path / name
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    done = subprocess.run(
        with_failure_marked([name, "5"], FORGETFUL),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MRUNKIT_FAILED_RANK": str(tmp_path / "mark")},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_mark_that_cannot_be_left_changes_nothing(tmp_path: Path) -> None:
    """A sandbox may belong to somebody else."""
    done = subprocess.run(
        with_failure_marked(["sh", "-c", "exit 3"], FORGETFUL),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(tmp_path / "no" / "mark")},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, b"")


def test_a_signal_to_all_processes_of_a_rank_is_the_programs(tmp_path: Path) -> None:
    """mpiexec passes SIGUSR1 on to all processes of a rank."""
    program = ["sh", "-c", "trap 'exit 5' USR1; kill -USR1 0; sleep 9; exit 6"]
    done = subprocess.run(
        with_failure_marked(program, FORGETFUL),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(tmp_path / "mark")},
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 5


@pytest.mark.parametrize(
    "said", [f"{what} exited with status 77" for what in ("Command", "Container")]
)
def test_the_proxys_status_is_understood(said: str) -> None:
    """As both of Mesos' executors write it."""
    assert "a rank ended badly" in failed_rank(said)
    assert failed_rank(said.replace("77", "7")) == ""
