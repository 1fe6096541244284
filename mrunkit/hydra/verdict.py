"""What mpiexec's end means: its status and the last it wrote, made a verdict.

Pure. Refuses to know why mpiexec was ended: after a cancel or a time limit its status says
nothing (SIGTERM gives 0 or 15, depending on the version), and the caller has its own.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from mrunkit.errors import ExitStatus

HYDRA_FAILED = 255
"""Hydra's own status for any failure of its own."""
_NOT_RUN = (HYDRA_FAILED, ExitStatus.NOT_FOUND, ExitStatus.NOT_EXECUTABLE)
"""Of a program that cannot run: Hydra's own, and those of `rank.sh`."""

_EXECVP = re.compile(r"execvp error on file (?P<program>.+?) \((?P<reason>[^()]+)\)\n?")
_CHDIR = re.compile(r"unable to change wdir to (?P<directory>.+?) \((?P<reason>[^()]+)\)")
_KILLED = re.compile(
    r"RUNNING AT (?P<host>\S+)\n=   EXIT CODE: (?P<code>\d+)\n(?:.*\n)*?"
    r"YOUR APPLICATION TERMINATED WITH THE EXIT STRING: (?P<name>.+) \(signal (?P<signal>\d+)\)"
)
_ENDED_FIRST = re.compile(
    r"BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n"
    r"=   PID \d+ RUNNING AT (?P<host>\S+)\n=   EXIT CODE: (?P<code>\d+)\n"
)
_CLEANUP_FAILED = "unable to cleanup processes"
_HYDRA_LINE = re.compile(r"^\[mpiexec@[^\]]+\] \w+ \(\S+\): (?P<text>.+)$", re.MULTILINE)
_STDIN = "process reading stdin too slowly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the job ended, as far as mpiexec knows."""

    exit_status: int
    message: str = ""
    """Empty if the status is all there is to say."""
    remedy: str | None = None


def verdict(returncode: int, stderr_tail: str, stdout_tail: str = "") -> Verdict:
    """Judge mpiexec's end; `returncode` is negative if a signal ended mpiexec itself.

    The status is the bitwise OR of all ranks' own; a rank that signal N killed counts as N.
    """
    if returncode < 0:
        name = signal.Signals(-returncode).name
        return Verdict(exit_status=ExitStatus.FAILED, message=f"mpiexec was ended by {name}")
    execvp = _EXECVP.search(stderr_tail)
    if execvp is not None and returncode in _NOT_RUN:
        missing = execvp["reason"] == "No such file or directory"
        return Verdict(
            exit_status=ExitStatus.NOT_FOUND if missing else ExitStatus.NOT_EXECUTABLE,
            message=f"{execvp['program']} cannot be run on a node: {execvp['reason']}",
        )
    if returncode != HYDRA_FAILED:
        return Verdict(exit_status=returncode, message=_killed_rank(stdout_tail))
    if _CLEANUP_FAILED in stderr_tail and (first := _ENDED_FIRST.search(stdout_tail)) is not None:
        # MPICH 5.0.2 trips over the end of the other ranks, once in ten times if they are no MPI
        # programs; then all that is known of the signals and statuses is the first.
        message = f"a rank on {first['host']} ended with status {first['code']}"
        return Verdict(exit_status=int(first["code"]), message=message)
    if (chdir := _CHDIR.search(stderr_tail)) is not None:
        return Verdict(
            exit_status=ExitStatus.FAILED,
            message=f"no working directory {chdir['directory']} on a node: {chdir['reason']}",
        )
    return _own_failure(stderr_tail)


def _killed_rank(stdout_tail: str) -> str:
    killed = _KILLED.search(stdout_tail)
    if killed is None or killed["code"] != killed["signal"]:
        return ""
    return f"a rank on {killed['host']} was ended by signal {killed['signal']} ({killed['name']})"


def _own_failure(stderr_tail: str) -> Verdict:
    if _STDIN in stderr_tail:
        message = "Hydra gave up: rank 0 left more than 64 KB of its standard input unread"
    elif "assert (!closed) failed" in stderr_tail:
        # Measured: all three versions say nothing more on mpiexec's side, whatever happened.
        message = (
            "a node's hydra_pmi_proxy ended before its ranks did; its own words are in the"
            " task's stderr. Likely: it was killed, its node failed, or rank 0 left more than"
            " 64 KB of its standard input unread"
        )
    elif (line := _HYDRA_LINE.search(stderr_tail)) is not None:
        message = f"mpiexec failed: {line['text']}"
    else:
        return Verdict(exit_status=HYDRA_FAILED)  # a rank's own exit(255)
    return Verdict(exit_status=ExitStatus.FAILED, message=message)
