"""A request becomes a run: its master, its record, its output, its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any, TextIO

from mrunkit.cli.request import RunRequest
from mrunkit.ending_signals import EndedBySignal
from mrunkit.errors import MrunkitError
from mrunkit.host_site import HostSite
from mrunkit.launch import Launch, Site
from mrunkit.local.spawn import ClusterProcess
from mrunkit.mesos.address import HostPort, ZooKeeper, parse_master
from mrunkit.mesos.driver import Driver
from mrunkit.mesos.wire import FrameworkSpec
from mrunkit.output import OFFERS, Reporter, describe_placement, reporter, say_error
from mrunkit.process_identity import this_process
from mrunkit.records import EventLog, JobRecord, Records, to_json
from mrunkit.runner import JobRun
from mrunkit.scheduler.commands import Command
from mrunkit.scheduler.events import Event, MasterErred, MasterLost
from mrunkit.scheduler.gang import Gang, State
from mrunkit.settings import Settings


def run_to_exit(
    request: RunRequest,
    settings: Settings,
    cluster: ClusterProcess | None,
    *,
    is_json: bool,
    is_quiet: bool,
) -> int:
    """Run the job, and return the exit status that the process should end with.

    `cluster` is the one that was started for a request without a master.
    """
    is_dry_run = request.spec.dry_run
    said = reporter(
        is_quiet=is_quiet or (is_dry_run and is_json),
        is_json=is_json and not is_dry_run,
        is_terminal=settings.is_terminal,
    )
    session = Session(request, settings, said)
    gang = session.run(cluster)
    outcome = gang.outcome
    assert outcome is not None, "a gang that is done has an outcome"
    if outcome.message:
        say_error(MrunkitError(outcome.message, remedy=outcome.remedy))
    if is_dry_run and gang.placement:
        print(json.dumps(to_json(gang.placement)) if is_json else describe_placement(gang))
    if not is_dry_run:
        said.ended(dataclasses.asdict(session.record))
    return outcome.exit_status


class Session:
    """One run of `mrunkit run` around its job: what is written down and said of it."""

    def __init__(self, request: RunRequest, settings: Settings, said: Reporter) -> None:
        self._request = request
        self._settings = settings
        self._said = said
        self._records = Records(settings.state_dir)
        self._keeps_record = not request.spec.dry_run
        client = this_process(settings.hostname)
        self.record = JobRecord(
            job_id=request.spec.job_id,
            name=request.name,
            program=request.mpi.program.words,
            master=request.master_text,
            nodes=request.spec.nodes,
            procs=request.spec.procs,
            cpus=request.spec.rank.cpus,
            mem=request.spec.rank.mem,
            started=time.time(),
            pid=client.pid,
            client=client.hostname,
            client_started=client.started,
        )
        self._log = EventLog(())
        self._last_loss = ""

    def run(self, cluster: ClusterProcess | None) -> Gang:
        """Run the job on its master, or on a cluster that was just started, to its end."""
        self._write_record()
        with self._failure_recorded():
            # Not in the loop: --events may be a FIFO without a reader, and only outside of a loop
            # does Ctrl-C end the waiting for one.
            self._log = EventLog(self._event_files(), self._events_failed)
            gang = asyncio.run(self._run(cluster))
        self._finish(gang)
        return gang

    @contextlib.contextmanager
    def _failure_recorded(self) -> Iterator[None]:
        try:
            yield
        except MrunkitError as error:
            self._end_record(error.exit_status, str(error))
            raise
        except EndedBySignal as end:  # before the job was there to end
            self._end_record(end.status, str(end))
            raise

    async def _run(self, cluster: ClusterProcess | None) -> Gang:
        request, settings = self._request, self._settings
        self._said.asked(request.spec, request.name, request.master_text)
        framework = FrameworkSpec(
            name=f"mrunkit: {request.name}",
            user=request.account,
            role=request.role,
            uses_gpus=request.containers is not None and request.containers.gpus is not None,
            principal=request.credentials.principal if request.credentials else None,
            hostname=settings.hostname,
        )
        job = JobRun(request.spec, request.name, framework, self._observe)
        launch = Launch(
            request.mpi,
            self._site(),
            master=lambda: driver.current_master(),
            on_event=job.handle,
        )
        driver = Driver(
            await self._find_master(cluster, launch),
            framework,
            credentials=request.credentials,
            on_event=job.handle,
            random=random.random,
        )
        try:
            with _watched(cluster, job) if cluster else contextlib.nullcontext():
                return await job.run(driver, launch)
        finally:
            self._log.close()

    async def _find_master(
        self, cluster: ClusterProcess | None, launch: Launch
    ) -> HostPort | ZooKeeper:
        """Wait for the cluster if there is one; what the job needs here is found meanwhile."""
        if self._request.master is not None:
            return self._request.master
        assert cluster is not None, "a request without a master comes with a cluster"
        preparing = asyncio.create_task(launch.prepare())
        try:
            return parse_master(await asyncio.to_thread(cluster.address))
        except BaseException:
            await asyncio.gather(preparing, return_exceptions=True)
            await launch.close()
            raise

    def _site(self) -> Site:
        request, settings = self._request, self._settings
        if request.containers is None:
            ranks_here = request.spec.procs if request.master is None else 0
            return HostSite(request.mpi, environ=settings.environ, ranks_here=ranks_here)
        from mrunkit.containers.site import ContainerSite

        client = this_process(settings.hostname)
        return ContainerSite(request.spec, request.mpi, request.containers, client=client)

    def _observe(
        self, event: Event, before: Gang, after: Gang, wanted: tuple[Command, ...]
    ) -> None:
        now = time.time()
        self._log.write(now, "event", event)
        for command in wanted:
            self._log.write(now, "command", command)
        if after.state is not before.state:
            self._log.write(now, "state", after.state)
        if isinstance(event, MasterLost) and event.message != self._last_loss:
            self._last_loss = event.message
            self._said.note(f"{event.message}; trying again")
        if isinstance(event, MasterErred) and before.state is State.DRAINING:
            # The first reason stands, and this may be the reason for that.
            self._said.note(event.message)
        self._said.changed(before, after)

    def _finish(self, gang: Gang) -> None:
        assert gang.outcome is not None, "a gang that is done has an outcome"
        self._end_record(
            gang.outcome.exit_status,
            gang.outcome.message,
            hosts=tuple((task.hostname, task.ranks) for task in gang.current_tasks),
            phases=phases(gang),
        )

    def _end_record(self, exit_status: int, message: str, **more: Any) -> None:
        self.record = dataclasses.replace(
            self.record, ended=time.time(), exit_status=int(exit_status), message=message, **more
        )
        self._write_record()

    def _write_record(self) -> None:
        """Write the record if it can be; a job is worth more than its record."""
        if not self._keeps_record:
            return
        try:
            self._records.write(self.record)
        except OSError as error:
            self._keeps_record = False
            self._said.note(f"no record of this job: {error}")

    def _events_failed(self, name: str, error: OSError) -> None:
        self._said.note(f"cannot write events to {name} any more: {error.strerror}")

    def _event_files(self) -> tuple[TextIO, ...]:
        """Where events go: what the user named must work, our own record need not."""
        files: list[TextIO] = []
        wanted = self._request.events
        if wanted is not None:
            try:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                files.append(wanted.open("w", buffering=1))
            except OSError as error:
                raise MrunkitError(f"cannot write --events {wanted}: {error.strerror}") from error
        if self._keeps_record:
            with contextlib.suppress(OSError):
                files.append(self._records.open_events(self.record.job_id))
        return tuple(files)


@contextlib.contextmanager
def _watched(cluster: ClusterProcess, job: JobRun) -> Iterator[None]:
    """Tell the job if its cluster ends before it does: nobody comes back to end its tasks.

    A kernel before 5.3, and what stands in for one, may not tell; then the connection does.
    """
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(descriptor)
        job.handle(MasterErred(message=f"the local cluster ended: {cluster.how_it_ended()}"))

    try:
        descriptor = os.pidfd_open(cluster.pid)
    except OSError:
        yield
        return
    loop.add_reader(descriptor, ended)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


PHASES = {
    State.COLLECTING: OFFERS,
    State.LAUNCHING: "launch",
    State.CONNECTING: "MPI",
    State.RUNNING: "MPI",
    State.DRAINING: "end",
}


def phases(gang: Gang) -> tuple[tuple[str, float], ...]:
    """The phases that a gang went through, with the seconds spent in each."""
    seconds: dict[str, float] = {}
    for (entered, state), (left, _) in zip(gang.history, gang.history[1:], strict=False):
        name = PHASES[state]
        seconds[name] = seconds.get(name, 0.0) + left - entered
    return tuple((name, round(amount, 4)) for name, amount in seconds.items())
