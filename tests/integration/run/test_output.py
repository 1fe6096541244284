"""What ranks write and read: the command's own streams, complete and in order."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from client import FOREVER, HELLO, Mrunkit
from served import Served


def test_streams_stay_apart(mrunkit: Mrunkit) -> None:
    """stdout is the ranks' alone; stderr is theirs and ours."""
    script = "echo out $PMI_RANK; echo err $PMI_RANK >&2"
    ended = mrunkit.run("-N", "2", "-n", "4", "local", "sh", "-c", script)
    assert ended.lines == [f"out {rank}" for rank in range(4)]
    theirs = [line for line in ended.stderr.splitlines() if not line.startswith("mrunkit: ")]
    assert sorted(theirs) == [f"err {rank}" for rank in range(4)]


def test_quiet_says_nothing(mrunkit: Mrunkit) -> None:
    """-q leaves what ranks write."""
    ended = mrunkit.run("-q", "local", "sh", "-c", "echo out; echo err >&2")
    assert (ended.status, ended.stdout, ended.stderr) == (0, "out\n", "err\n")


def test_quiet_says_errors(mrunkit: Mrunkit) -> None:
    """But never hides why nothing ran."""
    ended = mrunkit.run("-q", "-N", "5", "local", HELLO)
    assert (ended.status, ended.stderr.splitlines()[0]) == (
        125,
        "mrunkit: -N 5 needs 5 agents, and the cluster has 4",
    )


def test_much_output_stays_intact(mrunkit: Mrunkit) -> None:
    """5 MB of one rank, to the byte."""
    ended = mrunkit.run("-q", "local", "seq", "1", "720000")
    expected = "".join(f"{number}\n" for number in range(1, 720001))
    assert len(expected) > 4_900_000
    assert (ended.status, ended.stdout == expected) == (0, True)


def test_each_ranks_lines_stay_whole_and_in_order(mrunkit: Mrunkit) -> None:
    """With --label, however much comes at once from how many."""
    words = ("sh", "-c", "seq -f 'the %.0fth line' 1 5000")
    ended = mrunkit.run("-q", "-N", "2", "-n", "4", "--label", "local", *words)
    lines = ended.stdout.splitlines()
    assert len(lines) == 20000
    for rank in range(4):
        label = f"[{rank}] "
        own = [line.removeprefix(label) for line in lines if line.startswith(label)]
        assert own == [f"the {number}th line" for number in range(1, 5001)]


def test_a_file_per_rank(mrunkit: Mrunkit) -> None:
    """--output-dir writes there what would have come out here."""
    script = "echo out $PMI_RANK; echo err $PMI_RANK >&2"
    words = ("-q", "-N", "2", "-n", "4", "--output-dir", "results/of job")
    ended = mrunkit.run(*words, "local", "sh", "-c", script)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")
    written = {path.name: path.read_text() for path in (mrunkit.work / "results/of job").iterdir()}
    expected = {f"rank-{rank}.out": f"out {rank}\n" for rank in range(4)}
    assert written == expected | {f"rank-{rank}.err": f"err {rank}\n" for rank in range(4)}


def test_a_directory_that_takes_no_files(mrunkit: Mrunkit) -> None:
    """Told before anything is asked of the cluster, not by mpiexec at the first output."""
    ended = mrunkit.run("--output-dir", "/proc", "local", HELLO)
    assert (ended.status, ended.stderr.splitlines()[1:]) == (
        125,
        ["mrunkit: cannot write to --output-dir /proc: No such file or directory"],
    )


def test_stdin_goes_to_rank_0(mrunkit: Mrunkit) -> None:
    """And to no other."""
    text = "".join(f"{number}\n" for number in range(5000)).encode()
    script = '[ "$PMI_RANK" = 0 ] && exec cat; echo none'
    ended = mrunkit.run("-q", "-N", "2", "-n", "2", "local", "sh", "-c", script, stdin=text)
    assert ended.status == 0
    assert ended.stdout.replace("none\n", "", 1).encode() == text


def test_output_comes_at_once(mrunkit: Mrunkit) -> None:
    """Nothing is held back until there is more, or until the job ends."""
    client = mrunkit.start_run("-N", "2", "local", "sh", "-c", "printf half; exec sleep 1000")
    client.until_said("half", 2)
    client.kill()


def test_a_reader_that_has_seen_enough_ends_the_job(mrunkit: Mrunkit) -> None:
    """As in `mrunkit run ... | head -1`: as if SIGPIPE had ended it."""
    shell = '"$@" | head -1; exit "${PIPESTATUS[0]}"'
    words = [sys.executable, "-m", "mrunkit", "run", "-N", "2", "-n", "4", "local", "yes"]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *words],
        capture_output=True,
        text=True,
        env=mrunkit.environ(),
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (141, "y\n")
    assert "mrunkit: nobody reads the output any more\n" in done.stderr


def test_output_that_cannot_be_written(mrunkit: Mrunkit) -> None:
    """A full disk ends the job, with the reason."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mrunkit", "run", "local", FOREVER],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=mrunkit.environ(),
            check=False,
            timeout=60,
        )
    assert done.returncode == 125
    assert "mrunkit: cannot write the output: No space left on device\n" in done.stderr


def run_in_shell(mrunkit: Mrunkit, shell: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`mrunkit WORDS`, as "$@" of a piece of shell."""
    return subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-m", "mrunkit", *words],
        capture_output=True,
        text=True,
        env=mrunkit.environ(),
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    "shell", ['"$@" 2>/dev/full', '{ "$@" 2>&1 >&3 | true; } 3>&1; exit "${PIPESTATUS[0]}"']
)
def test_what_is_said_cannot_be_written(
    mrunkit: Mrunkit, shell: str, options: tuple[str, ...]
) -> None:
    """The job is worth more, and so is its exit status."""
    words = ("run", *options, "-N", "2", "local", "sh", "-c", "echo out; exit 5")
    done = run_in_shell(mrunkit, shell, *words)
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\nout\n", "")


def test_a_failure_that_cannot_be_said(mrunkit: Mrunkit) -> None:
    """Its exit status is all that is left to tell it."""
    for words, status in ((("-N", "9", "local", HELLO), 125), (("local", "no-such-program"), 127)):
        assert run_in_shell(mrunkit, '"$@" 2>/dev/full', "run", *words).returncode == status


def test_the_terminal_goes_away(mrunkit: Mrunkit) -> None:
    """A window that is closed ends the job, as SIGHUP says, while there is nobody to tell."""
    ours, theirs = os.openpty()
    client = subprocess.Popen(
        [sys.executable, "-m", "mrunkit", "run", "-N", "2", "local", FOREVER],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=mrunkit.environ(),
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )
    os.close(theirs)
    assert client.stdout is not None
    assert b"is pid" in client.stdout.readline()
    os.close(ours)
    assert client.wait(timeout=60) == 128 + signal.SIGHUP
    client.stdout.close()


@pytest.mark.parametrize("words", [("jobs",), ("--help",), ("run", "--dry-run", "local", HELLO)])
def test_a_listing_that_cannot_be_written(mrunkit: Mrunkit, words: tuple[str, ...]) -> None:
    """A full disk is told in a line."""
    full = run_in_shell(mrunkit, '"$@" >/dev/full', *words)
    assert full.returncode == 125
    assert full.stderr.endswith("mrunkit: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_stream_that_is_closed(mrunkit: Mrunkit, cluster: Served, stream: int) -> None:
    """As some daemons start their children; the job runs all the same."""
    shell = f'exec "$@" {stream}>&-'
    marker = mrunkit.work / "ran"
    words = [sys.executable, "-m", "mrunkit", "run", cluster.address, "touch", str(marker)]
    subprocess.run(
        ["bash", "-c", shell, "bash", *words], env=mrunkit.environ(), check=False, timeout=60
    )
    assert marker.exists()
