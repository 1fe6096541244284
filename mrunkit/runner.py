"""One job, from subscription to tear-down: the event loop around the scheduler.

Every input becomes an event for `scheduler.transitions.step`, and every command it
returns is carried out here, at once and without a decision of its own.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from mrunkit.ending_signals import heeded_signals
from mrunkit.errors import MrunkitError
from mrunkit.mesos.driver import Driver
from mrunkit.mesos.wire import FrameworkSpec, TaskCommand, task_info
from mrunkit.scheduler import commands, events
from mrunkit.scheduler.gang import Gang, State, new_gang
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.transitions import step

logger = logging.getLogger(__name__)


class MpiLaunch(Protocol):
    """How a job's ranks come to life, once its tasks are placed; see `launch.py`."""

    async def prepare(self) -> None:
        """Find what the job needs here; raises MrunkitError before anything is asked."""

    async def expect(self, launch: commands.LaunchTask) -> TaskCommand:
        """Prepare for a task's call; returns what the task is to run."""

    def dismiss(self, task_id: str) -> None:
        """Expect a task no more."""

    def explain(self, event: events.Event) -> events.Event:
        """Say in better words what has happened to a task, if there are any."""

    async def run(self, hosts: tuple[commands.MpiHost, ...]) -> events.MpiExited:
        """Start mpiexec, answer the tasks, and wait for its end; raises MrunkitError."""

    async def end(self, grace: float) -> None:
        """End mpiexec: TERM, then KILL after `grace` seconds."""

    async def close(self) -> None:
        """Stop listening, and end what still runs."""


class JobRun:
    """Runs one gang until nothing of it is left.

    `observe` is called after each step with the event, the gang before and after, and the
    commands; it must not raise.
    """

    def __init__(
        self,
        spec: JobSpec,
        name: str,
        framework: FrameworkSpec,
        observe: Callable[[events.Event, Gang, Gang, tuple[commands.Command, ...]], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._framework = framework
        self._observe = observe
        self._gang = new_gang(spec, self._loop.time())
        self._timer: asyncio.TimerHandle | None = None
        self._commands: asyncio.Queue[commands.Command] = asyncio.Queue()
        self._effects: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._awaits_agents = False
        """Whether the master waits for agents that it knows; an offer may come from one of them."""
        self._driver: Driver
        self._mpi: MpiLaunch

    async def run(self, driver: Driver, mpi: MpiLaunch) -> Gang:
        """Run the job to its end; returns the gang as it ended."""
        self._driver, self._mpi = driver, mpi
        await mpi.prepare()
        self._loop.set_exception_handler(self._callback_failed)
        handlers = {number: signal.getsignal(number) for number in heeded_signals()}
        for number in handlers:
            self._loop.add_signal_handler(number, self._signalled, number)
        try:
            self._in_background(self._carry_out_commands())
            self._wait_for_deadline()
            driver.start().add_done_callback(self._effect_ended)
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await driver.stop()
            await mpi.close()
            await self._stop_effects()
            for number, handler in handlers.items():
                self._loop.remove_signal_handler(number)
                signal.signal(number, handler)
        return self._gang

    def handle(self, event: events.Event) -> None:
        """Let the scheduler decide about an event, and have its commands carried out."""
        before, event = self._gang, self._mpi.explain(event)
        self._gang, wanted = step(before, event, self._loop.time())
        self._observe(event, before, self._gang, wanted)
        for command in wanted:
            self._commands.put_nowait(command)
        is_change = isinstance(event, events.Subscribed | events.AgentLost)
        if is_change or (self._awaits_agents and isinstance(event, events.OffersReceived)):
            self._in_background(self._ask_capacity())
        self._wait_for_deadline()

    def _signalled(self, number: signal.Signals) -> None:
        self.handle(events.Cancelled(exit_status=128 + number, message=f"ended by {number.name}"))

    def _wait_for_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._gang.next_deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self.handle, events.TimePassed())

    async def _carry_out_commands(self) -> None:
        """Carry commands out in order, to the last one of a gang that is done."""
        while self._gang.state is not State.DONE or not self._commands.empty():
            command = await self._commands.get()
            try:
                await self._execute(command)
            except MrunkitError as error:
                self._fail(error)
        self._ended.set_result(None)

    async def _execute(self, command: commands.Command) -> None:
        match command:
            case commands.LaunchTask():
                task = task_info(command, await self._mpi.expect(command), name=self._name)
                self._driver.launch(command.offer_ids, [task])
            case commands.DeclineOffers():
                self._driver.decline(command.offer_ids, refuse_seconds=command.refuse_seconds)
            case commands.SuppressOffers():
                self._driver.suppress()
            case commands.ReviveOffers():
                self._driver.revive()
            case commands.KillTask():
                self._mpi.dismiss(command.task_id)
                self._driver.kill(command.task_id, command.agent_id)
            case commands.ReconcileTasks():
                self._driver.reconcile(command.tasks)
            case commands.StartMpi():
                self._in_background(self._run_mpi(command))
            case commands.EndMpi():
                self._in_background(self._mpi.end(command.grace))
            case commands.TearDown():
                self._driver.tear_down()
            case _:
                raise AssertionError(f"no way to carry out {command}")

    def _fail(self, error: MrunkitError) -> None:
        self.handle(
            events.Cancelled(exit_status=error.exit_status, message=str(error), remedy=error.remedy)
        )

    async def _run_mpi(self, start: commands.StartMpi) -> None:
        try:
            ended = await self._mpi.run(start.hosts)
        except MrunkitError as error:
            ended = events.MpiExited(
                exit_status=error.exit_status, message=str(error), remedy=error.remedy
            )
        self.handle(ended)

    async def _ask_capacity(self) -> None:
        """Ask what the cluster has in all; a job can also be placed without knowing."""
        operator = self._driver.operator
        if operator is None:
            return
        try:
            capacity = await self._loop.run_in_executor(None, operator.capacity, self._framework)
        except MrunkitError as error:
            logger.debug("cannot ask for the agents: %s", error)
            return
        self._awaits_agents = capacity is None
        if capacity is not None:
            self.handle(capacity)

    def _in_background(self, effect: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(effect)
        self._effects.add(task)
        task.add_done_callback(self._effect_ended)

    def _effect_ended(self, task: asyncio.Task[None]) -> None:
        """A defect in an effect, or in the driver, ends the run with its traceback.

        Else it would hang.
        """
        self._effects.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self._ended.done():
            self._ended.set_exception(error)

    def _callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A defect in the handling of an event does so as well; asyncio would only log it."""
        loop.default_exception_handler(context)
        if "handle" in context and not self._ended.done():
            self._ended.set_exception(context["exception"])

    async def _stop_effects(self) -> None:
        for task in tuple(self._effects):
            task.cancel()
        await asyncio.gather(*self._effects, return_exceptions=True)
