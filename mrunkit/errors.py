"""What mrunkit says when it cannot do what was asked: one class per exit status.

Owns the exit statuses. Refuses to print: the command line does that, in one place.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `mrunkit run` besides the program's own, which pass through."""

    OK = 0
    """All ranks ended with 0."""
    USAGE = 2
    """The command line does not make sense; nothing was contacted."""
    TIME_LIMIT = 124
    """The job ran longer than --time-limit and was ended."""
    FAILED = 125
    """mrunkit could not run the job, or lost a part of it."""
    NOT_EXECUTABLE = 126
    """The program is there but cannot be executed."""
    NOT_FOUND = 127
    """The program is not there."""
    INTERRUPTED = 130
    """Ended by Ctrl-C."""


class MrunkitError(Exception):
    """A failure a user can act on: what failed, on what, and what to do about it.

    `remedy` is on a line of its own beneath the message when both are shown: in lower case, and
    without a full stop.
    """

    exit_status: int = ExitStatus.FAILED

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(MrunkitError):
    """The request itself is wrong; nothing was contacted."""

    exit_status = ExitStatus.USAGE


class ProgramNotFoundError(MrunkitError):
    """The MPI program does not exist where it was looked for."""

    exit_status = ExitStatus.NOT_FOUND


class ProgramNotExecutableError(MrunkitError):
    """The MPI program exists and cannot be executed."""

    exit_status = ExitStatus.NOT_EXECUTABLE
