"""A job that is taken from state to state, and the events that do it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from mrunkit.errors import ExitStatus
from mrunkit.scheduler.commands import Command
from mrunkit.scheduler.events import (
    CapacityReported,
    Event,
    MpiExited,
    OffersReceived,
    ProxiesAttached,
    ProxyConnected,
    Subscribed,
    TaskState,
    TaskUpdated,
    TimePassed,
)
from mrunkit.scheduler.gang import new_gang
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.offers import Agent, Offer, Share
from mrunkit.scheduler.resources import Demand, Resources
from mrunkit.scheduler.transitions import step

Kind = TypeVar("Kind", bound=Command)
FAILED = ExitStatus.FAILED


class Job:
    """A gang with a clock, and all commands it has given."""

    def __init__(self, nodes: int = 2, procs: int | None = None, **spec: Any) -> None:
        self.now = 0.0
        self.commands: list[Command] = []
        self.gang = new_gang(
            JobSpec(job_id="j", nodes=nodes, procs=procs or nodes, rank=Demand(cpus=1.0), **spec),
            self.now,
        )

    def send(self, *events: Event) -> tuple[Command, ...]:
        """Let events happen now; returns the commands for the last of them."""
        commands: tuple[Command, ...] = ()
        for event in events:
            self.gang, commands = step(self.gang, event, self.now)
            self.commands += commands
        return commands

    def wait(self, seconds: float) -> tuple[Command, ...]:
        """Let time pass, stopping at each deadline; returns all commands."""
        end, before = self.now + seconds, len(self.commands)
        while (due := self.gang.next_deadline) is not None and due <= end:
            self.now = due
            self.send(TimePassed())
        self.now = end
        return tuple(self.commands[before:])

    def subscribed(self) -> Job:
        """The master has us."""
        self.send(Subscribed(framework_id="f", master="m:5050"))
        return self

    def launched(self) -> Job:
        """Every slot has a task: j.0.0 on S0, j.1.0 on S1 and so on."""
        self.subscribed().send(offers(*range(self.gang.spec.nodes)))
        return self

    def connecting(self) -> Job:
        """All proxies wait, so mpiexec was started."""
        self.launched().send(*(connected(task) for task in self.gang.current_tasks))
        return self

    def running(self) -> Job:
        """All proxies reached mpiexec."""
        self.connecting().send(ProxiesAttached(count=self.gang.spec.nodes))
        return self

    def draining(self) -> Job:
        """mpiexec has ended well; the tasks have not been seen to end yet."""
        self.running().send(MpiExited(exit_status=0))
        return self

    def given(self, kind: type[Kind]) -> list[Kind]:
        """All commands of a kind so far."""
        return [command for command in self.commands if isinstance(command, kind)]


def offer(number: int, offer_id: str = "", cpus: float = 4.0, role: str = "*") -> Offer:
    """An offer of agent S<number>."""
    return Offer.of(
        offer_id or f"O{number}",
        f"S{number}",
        hostname=f"host{number}",
        address=f"10.0.0.{number}",
        shares=(Share(role=role, resources=Resources(cpus=cpus, mem=1024.0)),),
    )


def offers(*numbers: int, jitter: float = 0.5) -> OffersReceived:
    """One offer of each of these agents."""
    return OffersReceived(offers=tuple(offer(number) for number in numbers), jitter=jitter)


def connected(task: Any) -> ProxyConnected:
    """A task calls the rendezvous."""
    return ProxyConnected(task_id=task.task_id, address=f"ip-{task.agent_id}")


def ended(task_id: str, state: TaskState = TaskState.FAILED, **rest: Any) -> TaskUpdated:
    """A task's last update, from its executor."""
    return TaskUpdated(task_id=task_id, state=state, **{"source": "SOURCE_EXECUTOR", **rest})


def capacity(*numbers: int, cpus: float = 4.0) -> CapacityReported:
    """What agents have in all."""
    return CapacityReported(
        agents=tuple(
            Agent(
                agent_id=f"S{number}",
                hostname=f"host{number}",
                address=f"10.0.0.{number}",
                available=Resources(cpus=cpus, mem=1024.0),
            )
            for number in numbers
        )
    )


def kinds(commands: Iterable[Command]) -> list[type[Command]]:
    """What commands they are."""
    return [type(command) for command in commands]
