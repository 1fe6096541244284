"""mpiexec.hydra as a subprocess of the client.

Owns the process from its start to its end, and the relaying of its output. Refuses to
judge the end: `verdict.py` does, and after a cancel the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mrunkit.errors import MrunkitError

from .arguments import LAST_VARIABLE, mpiexec_environment
from .lines import ProxyLaunch
from .streams import Output, Streams

# Lives as long as the client: should it be killed, nobody else would end mpiexec, which
# without output to write never notices. A line on stdin means that all is well.
_GUARD = 'read -r line || kill -KILL "-$1"'

# Becomes mpiexec once that has a guard; a client that is killed before never says so. A shell
# sorts the environment as it likes, and what `env` adds comes last.
_GATE = f'read -r mrunkit_go <"/proc/self/fd/$1" && shift && exec env {LAST_VARIABLE}= "$@"'


class MpiexecError(MrunkitError):
    """mpiexec could not be started, or ended before it asked for its proxies."""


def ended_early(status: int, said: str) -> MpiexecError:
    """The error for an mpiexec that has ended before it printed its launch lines."""
    return MpiexecError(
        f"mpiexec ended (status {status}) before it asked for its proxies; "
        f"it said: {said.strip() or 'nothing'}"
    )


class Launcher(Protocol):
    """An mpiexec, wherever it runs."""

    async def launches(self) -> tuple[ProxyLaunch, ...]:
        """Wait for the launch lines, in the order of the hosts; raises MpiexecError."""

    async def wait(self) -> int:
        """Wait for the end and the last output; returns the status, -N for signal N."""

    async def end(self, grace: float) -> None:
        """End it: TERM, and KILL if it has not ended after `grace` seconds."""

    @property
    def stderr_tail(self) -> str:
        """The last it wrote to stderr, for the verdict."""

    @property
    def stdout_tail(self) -> str:
        """The last it wrote to stdout, for the verdict."""


class Mpiexec:
    """A running mpiexec.hydra; implements Launcher. Made by `start_mpiexec`."""

    def __init__(self, process: asyncio.subprocess.Process, out: int, err: int, to: Output) -> None:
        self._process = process
        self._streams = Streams(out, err, to)
        self._lifeline: int | None = None
        self._guard: asyncio.subprocess.Process | None = None

    @property
    def stderr_tail(self) -> str:
        """The last it wrote to stderr, without labels."""
        return self._streams.stderr_tail

    @property
    def stdout_tail(self) -> str:
        """The last it wrote to stdout after the launch lines, without labels."""
        return self._streams.stdout_tail

    async def launches(self) -> tuple[ProxyLaunch, ...]:
        """Wait for the launch lines, in the order of the hosts; raises MpiexecError."""
        launches = await self._streams.launches()
        if launches is None:
            raise ended_early(await self.wait(), self.stderr_tail)
        return launches

    async def wait(self) -> int:
        """Wait for the end and the last output; returns the status, -N for signal N."""
        status = await self._process.wait()
        await self._release_guard()
        await self._streams.wait()
        return status

    async def end(self, grace: float) -> None:
        """End it: TERM, and KILL if it has not ended after `grace` seconds."""
        self._streams.hurry()
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    async def guard(self) -> None:
        """See to it that mpiexec does not outlive the client, even if that is killed."""
        reading, self._lifeline = os.pipe()
        try:
            self._guard = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _GUARD,
                "sh",
                str(self._process.pid),
                stdin=reading,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        finally:
            os.close(reading)

    async def _release_guard(self) -> None:
        if self._lifeline is None:
            return
        lifeline, self._lifeline = self._lifeline, None
        with contextlib.suppress(BrokenPipeError):
            os.write(lifeline, b"\n")
        os.close(lifeline)
        if self._guard is not None:
            await self._guard.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


async def start_mpiexec(
    mpiexec: Path,
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    hidden: Mapping[str, str] | None = None,
    output: Output,
) -> Mpiexec:
    """Start mpiexec in a session of its own: a terminal's Ctrl-C reaches only the client.

    `hidden` are the `hidden_variables` of the ranks.
    """
    if not os.access(mpiexec, os.X_OK):
        raise MpiexecError(f"{mpiexec} cannot be started: No such file, or not a program")
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    gate_read, gate_write = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _GATE, "sh", str(gate_read), str(mpiexec)),
            *arguments,
            env={**mpiexec_environment(environ), **(hidden or {})},
            stdin=stdin_for_ranks(),
            stdout=out_write,
            stderr=err_write,
            pass_fds=(gate_read,),
            start_new_session=True,
        )
    except OSError as error:
        for fd in (out_read, err_read, gate_write):
            os.close(fd)
        raise MpiexecError(f"{mpiexec} cannot be started: {error.strerror}") from error
    finally:
        for fd in (out_write, err_write, gate_read):
            os.close(fd)
    started = Mpiexec(process, out_read, err_read, output)
    try:
        await started.guard()
        with contextlib.suppress(BrokenPipeError):  # it was killed; `wait` tells
            os.write(gate_write, b"\n")
    except BaseException:
        await started.end(0)
        raise
    finally:
        os.close(gate_write)
    return started


def stdin_for_ranks() -> int:
    """Return what mpiexec gets as stdin: the client's own, unless that would do harm."""
    try:
        foreground = os.tcgetpgrp(0) if os.isatty(0) else None
    except OSError:  # a terminal, but not the one that controls this process
        foreground = None
    if foreground is not None and foreground != os.getpgrp():
        # In a session of its own mpiexec is not stopped when it reads from the terminal in
        # the background: it would take what is typed for the shell.
        return asyncio.subprocess.DEVNULL
    try:
        os.fstat(0)
    except OSError:
        return asyncio.subprocess.DEVNULL
    return 0


def allow_open_files(needed: int) -> None:
    """Raise this process' and its children's limit of open files; raises MpiexecError.

    mpiexec needs 3 per host (measured: it dies at about 340 hosts with 1,024), and 2 more
    per rank if each rank's output goes to files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise MpiexecError(
            f"this job needs {needed} open files, and only {hard} are allowed",
            remedy="raise the limit (ulimit -Hn), or use fewer nodes",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
