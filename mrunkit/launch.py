"""How the ranks of a placed gang come to life: the rendezvous, and mpiexec over the tasks.

Owns the order of things, the same wherever mpiexec and the tasks run; where that is, is a
`Site`: this host and the agents' hosts (`host_site.py`), or containers (`containers/site.py`).
"""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from mrunkit.errors import ExitStatus, MrunkitError
from mrunkit.hydra.arguments import mpiexec_arguments
from mrunkit.hydra.lines import ProxyLaunch
from mrunkit.hydra.mpiexec import Launcher, MpiexecError
from mrunkit.hydra.rank import failed_rank, with_failure_told
from mrunkit.hydra.rendezvous import Problem, Rendezvous
from mrunkit.hydra.streams import Output
from mrunkit.hydra.verdict import Verdict, verdict
from mrunkit.mesos.address import HostPort
from mrunkit.mesos.wire import TaskCommand
from mrunkit.scheduler.commands import LaunchTask, MpiHost
from mrunkit.scheduler.events import (
    Cancelled,
    Event,
    MpiExited,
    ProxiesAttached,
    ProxyComplained,
    ProxyConnected,
    ProxyLost,
    TaskState,
    TaskUpdated,
)
from mrunkit.scheduler.job import BAD_EXIT_SECONDS, MpiOptions, Program

FILES_PER_HOST = 3
FILES_PER_RANK = 2
OTHER_FILES = 128

FIRST_LOOK_SECONDS = 0.02
LOOK_SECONDS_PER_PROXY = 0.002
LONGEST_LOOK_SECONDS = 1.0
"""The kernel tells nobody when a connection is established to another process: one looks. Not
before mpiexec can have taken in all its proxies: each keeps it for more than a millisecond.
"""

_NO_ACCOUNT = re.compile(r"No such user '(?P<name>[^']+)'")
"""At the end of what an agent says that could not give a task's directory to its owner."""


class Site(Protocol):
    """Where mpiexec and the tasks of a job run."""

    @property
    def program(self) -> Program:
        """The program as the ranks see it."""

    @property
    def mpich_version(self) -> str:
        """Of mpiexec; empty if nobody knows before it runs."""

    @property
    def proxy_path(self) -> str:
        """hydra_pmi_proxy where the tasks should have it; empty: wherever it is in PATH."""

    async def prepare(self) -> None:
        """Find what the job needs here; raises MrunkitError before anything is asked."""

    async def open(self, master: HostPort) -> str:
        """Get ready for tasks; returns this host's address as the tasks reach it."""

    def task(self, launch: LaunchTask, env: Mapping[str, str]) -> TaskCommand:
        """What a task is to run, given the environment of proxy.sh."""

    def explain(self, update: TaskUpdated) -> TaskUpdated:
        """Say in better words how a task ended, if there are any."""

    def explain_end(self, judged: Verdict, said: str) -> Verdict:
        """Say in better words how MPI ended, by the last that it said, if there are any."""

    async def start_mpiexec(
        self, arguments: Callable[[str], list[str]], *, open_files: int, output: Output
    ) -> Launcher:
        """Start mpiexec; `arguments` are made for the address at which proxies reach it.

        Its environment has the `hidden_variables` of the program.
        """

    async def count_connections(self, port: int) -> int:
        """How many proxies are connected to mpiexec's control port."""

    async def close(self) -> None:
        """Remove what was made for the job on this host."""


class Launch:
    """Runs the ranks of one job at a site.

    `master` tells which master the job is subscribed to; `on_event` gets what happens.
    """

    def __init__(
        self,
        options: MpiOptions,
        site: Site,
        *,
        master: Callable[[], HostPort],
        on_event: Callable[[Event], None],
    ) -> None:
        self._options = options
        self._site = site
        self._master = master
        self._on_event = on_event
        self._mpich_version = ""
        """As the proxies tell it; an image need not."""
        self._rendezvous: Rendezvous | None = None
        self._mpiexec: Launcher | None = None
        self._is_ending = False
        self._preparing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Find what the job needs on this host; raises MrunkitError before anything is asked.

        It is done once: who has something else to wait for may begin it early.
        """
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare())
        await self._preparing

    async def _prepare(self) -> None:
        output_dir = self._options.output_dir
        if output_dir is not None:
            await asyncio.to_thread(_make_writable, output_dir)
        await self._site.prepare()

    async def expect(self, launch: LaunchTask) -> TaskCommand:
        """Prepare for a task's call; returns what the task is to run."""
        if self._rendezvous is None:
            self._rendezvous = await self._open_rendezvous()
        token = self._rendezvous.expect(launch.task_id)
        return self._site.task(
            launch,
            {
                "MRUNKIT_RENDEZVOUS": self._rendezvous.url,
                "MRUNKIT_TOKEN": token,
                "MRUNKIT_TASK": launch.task_id,
                "MRUNKIT_PROXY": self._site.proxy_path,
                "MRUNKIT_WORKDIR": self._site.program.workdir or "",
            },
        )

    def dismiss(self, task_id: str) -> None:
        """Expect a task no more."""
        if self._rendezvous is not None:
            self._rendezvous.dismiss(task_id)

    def explain(self, event: Event) -> Event:
        """Say in better words how a task ended, if there are any."""
        if not isinstance(event, TaskUpdated):
            return event
        failed = failed_rank(event.message)
        if failed is not None:
            # Its own process has ended as it should.
            return replace(event, state=TaskState.FINISHED, failed_rank=failed)
        stranger = _NO_ACCOUNT.search(event.message)
        if stranger is not None:
            return replace(
                event,
                message=f"there is no account {stranger['name']} on the host",
                reason="",
                remedy="name one that the hosts have with --run-as",
            )
        return self._site.explain(event)

    async def run(self, hosts: tuple[MpiHost, ...]) -> MpiExited:
        """Start mpiexec, answer the tasks, and wait for its end."""
        assert self._rendezvous is not None, "tasks have called, so there is a rendezvous"
        self._mpiexec = mpiexec = await self._site.start_mpiexec(
            lambda localhost: self._arguments(hosts, localhost),
            open_files=OTHER_FILES
            + FILES_PER_HOST * len(hosts)
            + FILES_PER_RANK * sum(host.ranks for host in hosts),
            output=Output(
                is_labelled=self._options.is_labelled,
                on_write_failed=self._write_failed,
                on_spawn=self._spawn_asked_for,
            ),
        )
        if self._is_ending:
            await mpiexec.end(0.0)
        launches = await mpiexec.launches()
        if len(launches) != len(hosts):
            raise MpiexecError(
                f"mpiexec asked for {len(launches)} proxies, and there are {len(hosts)} hosts",
                remedy="is it MPICH's?",
            )
        for host, line in zip(hosts, launches, strict=True):
            # One that has gone meanwhile is reported by its agent.
            self._rendezvous.answer(host.task_id, line)
        await self._rendezvous.close()
        watch = asyncio.create_task(self._watch_proxies(launches))
        try:
            status = await mpiexec.wait()
        finally:
            watch.cancel()
        judged = verdict(status, mpiexec.stderr_tail, mpiexec.stdout_tail)
        judged = self._site.explain_end(judged, mpiexec.stderr_tail + mpiexec.stdout_tail)
        return MpiExited(
            exit_status=judged.exit_status, message=judged.message, remedy=judged.remedy
        )

    async def end(self, grace: float) -> None:
        """End mpiexec: TERM, then KILL after `grace` seconds."""
        self._is_ending = True
        if self._mpiexec is not None:
            await self._mpiexec.end(grace)

    async def close(self) -> None:
        """Stop listening, and end mpiexec if it still runs."""
        if self._rendezvous is not None:
            await self._rendezvous.close()
        await self.end(0.0)
        await self._site.close()

    def _arguments(self, hosts: Sequence[MpiHost], localhost: str) -> list[str]:
        options = self._options
        output_dir = options.output_dir
        return mpiexec_arguments(
            hosts=[host.address for host in hosts],
            ranks_per_host=[host.ranks for host in hosts],
            distribution=options.distribution,
            localhost=localhost,
            env=self._site.program.env,
            program=with_failure_told(
                self._site.program.words,
                self._mpich_version,
                patience=BAD_EXIT_SECONDS if options.kill_on_bad_exit else 0,
            ),
            label=options.is_labelled,
            output_dir=None if output_dir is None else str(Path(output_dir).absolute()),
        )

    async def _open_rendezvous(self) -> Rendezvous:
        rendezvous = Rendezvous(
            address=await self._site.open(self._master()),
            new_token=lambda: secrets.token_urlsafe(32),
            on_connected=self._connected,
            on_lost=lambda task_id: self._on_event(ProxyLost(task_id=task_id)),
            on_problem=lambda task_id, problem: self._complain(task_id, self._explain(problem)),
        )
        await rendezvous.open()
        return rendezvous

    def _connected(self, task_id: str, address: str, version: str) -> None:
        ours = self._site.mpich_version
        if version and ours and version != ours:
            self._complain(
                task_id,
                f"has MPICH {version}, and this client {ours}; they must be the same",
            )
        else:
            self._mpich_version = version or ours
            self._on_event(ProxyConnected(task_id=task_id, address=address))

    def _complain(self, task_id: str, reason: str) -> None:
        self._on_event(ProxyComplained(task_id=task_id, reason=reason))

    def _explain(self, problem: Problem) -> str:
        if problem is Problem.NO_PROXY:
            return (
                f"has no {self._site.proxy_path or 'hydra_pmi_proxy'}; "
                f"MPICH {self._site.mpich_version} must be there at the same path"
            )
        if problem is Problem.NO_WORKDIR:
            return f"has no directory {self._site.program.workdir} (--workdir)"
        return "cannot take part, and says why in its task's stderr"

    def _write_failed(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:
            cancelled = Cancelled(exit_status=128 + 13, message="nobody reads the output any more")
        else:
            cancelled = Cancelled(
                exit_status=ExitStatus.FAILED, message=f"cannot write the output: {error.strerror}"
            )
        self._on_event(cancelled)

    def _spawn_asked_for(self) -> None:
        self._on_event(
            Cancelled(
                exit_status=ExitStatus.FAILED,
                message=(
                    "the program starts more processes (MPI_Comm_spawn), for which its MPICH "
                    "needs more proxies than the job has"
                ),
                remedy="use MPICH 4.2 or later, or start all ranks with -n",
            )
        )

    async def _watch_proxies(self, launches: Sequence[ProxyLaunch]) -> None:
        """Report how many proxies are connected to mpiexec, until all are."""
        seconds = max(FIRST_LOOK_SECONDS, LOOK_SECONDS_PER_PROXY * len(launches))
        seconds, reported = min(seconds, LONGEST_LOOK_SECONDS), 0
        while reported < len(launches):
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_LOOK_SECONDS)
            connected = await self._site.count_connections(launches[0].control_port)
            if connected > reported:
                reported = connected
                self._on_event(ProxiesAttached(count=connected))


def _make_writable(output_dir: str) -> None:
    """See that files can be made there: mpiexec would fail at the first output, with a riddle."""
    try:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_dir):
            pass
    except OSError as error:
        raise MrunkitError(
            f"cannot write to --output-dir {output_dir}: {error.strerror}"
        ) from error
