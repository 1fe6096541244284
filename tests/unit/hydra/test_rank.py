"""Ranks that fail, and who hears of it."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from mrunkit.hydra.rank import failed_rank, with_failure_told
from mrunkit.hydra.verdict import Verdict, verdict

FORGETFUL, EXACT = "4.2.1", "5.0.2"
PATIENCE = 30.0


@pytest.mark.parametrize("version", ["", "3.2.1", "3.4.3", "4.3.2", "4.20", "5.0.2", "14.1"])
def test_a_rank_is_left_alone_if_others_may_go_on_and_hydra_does_well(version: str) -> None:
    """No shell is between mpiexec and the program."""
    assert with_failure_told(["./hello", "a b"], version, patience=0) == ["./hello", "a b"]


@pytest.mark.parametrize(
    ("version", "patience"),
    [("4.0", 0), ("4.0.2", 0), ("4.1.3", 0), ("4.2.1", 0), ("4.1rc1", 0), ("5.0.2", 3), ("", 3)],
)
def test_a_rank_has_a_shell_around_it_where_one_is_needed(version: str, patience: int) -> None:
    """Its words are not looked at by that shell."""
    words = with_failure_told(["./hello", "a b", "$c"], version, patience=patience)
    assert words[:2] == ["/bin/sh", "-c"]
    assert words[-4:] == [str(patience), "./hello", "a b", "$c"]


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
        with_failure_told(["sh", "-c", script], FORGETFUL, patience=0),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(mark)},
        check=False,
    )
    assert done.returncode == status
    assert mark.exists() == (status != 0)
    assert not mark.exists() or mark.read_text() == f"{status if status > 0 else 128 - status}\n"


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
        with_failure_told([program], FORGETFUL, patience=0),
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
        with_failure_told([name, "5"], FORGETFUL, patience=0),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MRUNKIT_FAILED_RANK": str(tmp_path / "mark")},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_mark_that_cannot_be_left_changes_nothing(tmp_path: Path) -> None:
    """A sandbox may belong to somebody else."""
    done = subprocess.run(
        with_failure_told(["sh", "-c", "exit 3"], FORGETFUL, patience=0),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(tmp_path / "no" / "mark")},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
@pytest.mark.parametrize("connection", ["3", "4"])
def test_the_shell_says_nothing_of_its_own(shell: str, connection: str) -> None:
    """Ranks are ended by signals whenever a job is; what the program says is passed on."""
    words = with_failure_told(["sh", "-c", "echo mine >&2; kill -TERM $$"], FORGETFUL, patience=0)
    done = subprocess.run(
        [shell, *words[1:]],
        env={"PATH": "/usr/bin:/bin", "PMI_FD": connection, "MRUNKIT_FAILED_RANK": "/nowhere/mark"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (143, b"mine\n")


def test_a_signal_to_all_processes_of_a_rank_is_the_programs(tmp_path: Path) -> None:
    """mpiexec passes SIGUSR1 on to all processes of a rank."""
    program = ["sh", "-c", "trap 'exit 5' USR1; kill -USR1 0; sleep 9; exit 6"]
    done = subprocess.run(
        with_failure_told(program, FORGETFUL, patience=0),
        env={**os.environ, "MRUNKIT_FAILED_RANK": str(tmp_path / "mark")},
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A rank with the shell around it, and what hydra_pmi_proxy holds of both."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    pipe: BinaryIO
    """Its other end is open in the rank, which knows nothing of it."""
    mark: Path
    name: str

    def processes(self) -> list[Path]:
        """All that has been started for it and still runs."""
        return [path for path in Path("/proc").glob("[0-9]*") if self._is_ours(path)]

    def _is_ours(self, process: Path) -> bool:
        try:
            return self.name.encode() in (process / "environ").read_bytes()
        except OSError:
            return False


SHELLS = ["dash", "bash", "busybox"]


@pytest.fixture(params=[name for name in SHELLS if shutil.which(name)])
def around(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Rank]]:
    """Start a rank with a script. Its connection has two digits, which dash cannot say.

    With busybox there is no other shell, as in an Alpine container.
    """
    ranks: list[Rank] = []
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "sleep", "rm", request.param):
        program = shutil.which("busybox" if request.param == "busybox" else name)
        assert program is not None
        (programs / name).symlink_to(program)
    if request.param == "dash":
        (programs / "bash").symlink_to("/bin/bash")

    def start(script: str) -> Rank:
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        pipe, leaked = os.pipe()
        number = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, 17)
        mark, name = tmp_path / "mark", f"rank-{uuid.uuid4().hex}"
        words = with_failure_told(["sh", "-c", script], EXACT, patience=1)
        process = subprocess.Popen(
            [programs / request.param, *(["sh"] if request.param == "busybox" else []), *words[1:]],
            env={
                "PATH": str(programs),
                "PMI_FD": str(number),
                "MRUNKIT_FAILED_RANK": str(mark),
                "NAME": name,
            },
            pass_fds=[number, leaked],
        )
        theirs.close()
        os.close(number)
        os.close(leaked)
        opened = os.fdopen(pipe, "rb")
        ranks.append(Rank(process=process, connection=ours, pipe=opened, mark=mark, name=name))
        return ranks[-1]

    yield start
    for rank in ranks:
        rank.process.kill()
        rank.process.wait()
        rank.connection.close()
        rank.pipe.close()


def test_a_rank_that_fails_ends_the_others(around: Callable[[str], Rank]) -> None:
    """As MPI_Abort does; until then hydra_pmi_proxy may end, for which it needs its pipes."""
    rank = around("exit 3")
    assert rank.process.wait(PATIENCE) == 3
    assert rank.mark.read_text() == "3\n"
    assert rank.pipe.read() == b""
    assert not select.select([rank.connection], [], [], 0)[0], "the pipe was kept until the end"
    assert rank.connection.recv(100) == b"cmd=abort exitcode=3\n"
    assert rank.connection.recv(100) == b""


def test_an_answer_that_a_rank_did_not_wait_for_changes_nothing(
    around: Callable[[str], Rank],
) -> None:
    """It asked its proxy for something, and was gone before it came."""
    rank = around("sleep 0.2; exit 3")
    rank.connection.sendall(b"cmd=barrier_out\n")
    assert rank.connection.recv(100) == b"cmd=abort exitcode=3\n"


def test_a_rank_that_fails_after_mpi_finalize_ends_nobody(around: Callable[[str], Rank]) -> None:
    """hydra_pmi_proxy has closed the connection then, and knows the status."""
    rank = around("sleep 0.2; exit 3")
    rank.connection.close()
    assert rank.process.wait(PATIENCE) == 3
    assert list(rank.mark.parent.glob("mark*")) == []


def test_a_mark_is_there_before_the_shell_looks_for_mpi_finalize(tmp_path: Path) -> None:
    """It may be killed meanwhile, with all others, by a rank that has noticed the loss."""
    ours, theirs = socket.socketpair()
    killer = tmp_path / "sleep"
    killer.write_text("#!/bin/sh\nkill -KILL 0\n")
    killer.chmod(0o755)
    with ours, theirs:
        done = subprocess.run(
            with_failure_told(["sh", "-c", "exit 3"], EXACT, patience=1),
            env={
                "PATH": f"{tmp_path}:/usr/bin:/bin",
                "PMI_FD": str(theirs.fileno()),
                "MRUNKIT_FAILED_RANK": str(tmp_path / "mark"),
            },
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            check=False,
        )
    assert done.returncode == -signal.SIGKILL
    (mark,) = tmp_path.glob("mark.*")
    assert mark.read_text() == "3\n"


def test_a_rank_that_ends_well_ends_nobody(around: Callable[[str], Rank]) -> None:
    """With or without MPI_Finalize: it may be no MPI program."""
    rank = around("exit 0")
    assert rank.process.wait(PATIENCE) == 0
    assert rank.connection.recv(100) == b""


def test_nobody_watches_for_longer_than_the_proxy_lives(around: Callable[[str], Rank]) -> None:
    """All others have ended meanwhile, and with them the proxy."""
    rank = around("exit 3")
    assert rank.process.wait(PATIENCE) == 3
    assert rank.processes()
    rank.connection.close()
    deadline = time.monotonic() + 0.9
    while rank.processes():
        assert time.monotonic() < deadline, "it waits until its time is over"


@pytest.mark.parametrize(
    ("told", "status"),
    [(160, 0), (161, 1), (163, 3), (250, 90), (251, 126), (252, 127), (159, None), (255, None)],
)
@pytest.mark.parametrize("what", ["Command", "Container"])
def test_the_proxys_status_is_understood(what: str, told: int, status: int | None) -> None:
    """As both of Mesos' executors write it."""
    assert failed_rank(f"{what} exited with status {told}") == status


def test_another_end_of_a_task_is_none_of_a_rank() -> None:
    """Mesos' words for a kill."""
    assert failed_rank("Command terminated with signal Killed") is None
