"""What a job's run asks, and when; its driver and its launch only note what they are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from mrunkit.mesos.driver import Driver
from mrunkit.mesos.wire import FrameworkSpec
from mrunkit.runner import JobRun, MpiLaunch
from mrunkit.scheduler.events import (
    Cancelled,
    CapacityReported,
    Event,
    OffersReceived,
    Subscribed,
)
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.offers import Agent
from mrunkit.scheduler.resources import Demand, Resources

AGENT = Agent(
    agent_id="S0",
    hostname="host0",
    address="10.0.0.1",
    attributes=(),
    available=Resources(cpus=4, mem=4096),
)
FRAMEWORK = FrameworkSpec(name="j", user="u")


@dataclass(kw_only=True)
class Master:
    """Knows all its agents from the second question on."""

    questions: int = 0

    def capacity(self, _: FrameworkSpec) -> CapacityReported | None:
        self.questions += 1
        return None if self.questions == 1 else CapacityReported(agents=(AGENT,))


@dataclass(kw_only=True)
class QuietDriver:
    """Takes every call, and does nothing."""

    operator: Master
    is_started: asyncio.Event = field(default_factory=asyncio.Event)

    defect: Exception | None = None

    def start(self) -> asyncio.Task[None]:
        self.is_started.set()
        return asyncio.create_task(self._keep_subscribed())

    async def _keep_subscribed(self) -> None:
        if self.defect is not None:
            raise self.defect

    async def stop(self) -> None:
        pass

    def tear_down(self) -> None:
        pass


class NoLaunch:
    """Nothing is ever launched."""

    async def prepare(self) -> None:
        pass

    def explain(self, event: Event) -> Event:
        return event

    async def close(self) -> None:
        pass


def test_the_master_is_asked_again_until_it_knows_all_agents() -> None:
    """After its own start; an offer may come from an agent that it waited for."""
    told: list[tuple[Agent, ...]] = []

    def observe(event: Event, *_: object) -> None:
        if isinstance(event, CapacityReported):
            told.append(event.agents)

    async def run() -> None:
        spec = JobSpec(job_id="j", nodes=1, procs=1, rank=Demand(cpus=1.0))
        job = JobRun(spec, "j", FRAMEWORK, observe)
        driver = QuietDriver(operator=Master())
        running = asyncio.create_task(job.run(cast(Driver, driver), cast(MpiLaunch, NoLaunch())))
        await driver.is_started.wait()
        job.handle(Subscribed(framework_id="F", master="host0:5050"))
        while not told:
            await asyncio.sleep(0.01)
            job.handle(OffersReceived(offers=()))
        job.handle(Cancelled(exit_status=130, message=""))
        await running

    asyncio.run(asyncio.wait_for(run(), 30))
    assert set(told) == {(AGENT,)}


def test_a_defect_in_the_handling_of_an_event_ends_the_run() -> None:
    """With its traceback; nobody would be told, and the job would go on for ever."""

    def observe(*_: object) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        spec = JobSpec(job_id="j", nodes=1, procs=1, rank=Demand(cpus=1.0))
        job = JobRun(spec, "j", FRAMEWORK, observe)
        driver = QuietDriver(operator=Master())
        running = asyncio.create_task(job.run(cast(Driver, driver), cast(MpiLaunch, NoLaunch())))
        await driver.is_started.wait()
        asyncio.get_running_loop().call_soon(job.handle, OffersReceived(offers=()))
        await running

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(run(), 30))


def test_a_defect_in_the_driver_ends_the_run() -> None:
    """With its traceback; the job would wait for offers that nobody asks for."""

    async def run() -> None:
        spec = JobSpec(job_id="j", nodes=1, procs=1, rank=Demand(cpus=1.0))
        job = JobRun(spec, "j", FRAMEWORK, lambda *_: None)
        driver = QuietDriver(operator=Master(), defect=ZeroDivisionError())
        await job.run(cast(Driver, driver), cast(MpiLaunch, NoLaunch()))

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(run(), 30))
