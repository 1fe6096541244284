"""Schedulers that are wrong in one thing each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cluster_machine import Step

from mrunkit.scheduler.commands import (
    Command,
    DeclineOffers,
    KillTask,
    LaunchTask,
    ReviveOffers,
    StartMpi,
    TearDown,
)
from mrunkit.scheduler.events import (
    Cancelled,
    Event,
    MasterLost,
    OfferRescinded,
    ProxyLost,
    TaskUpdated,
)
from mrunkit.scheduler.gang import RECONNECT_SECONDS, Deadline, Gang, Outcome, State
from mrunkit.scheduler.resources import Resources
from mrunkit.scheduler.transitions import step


def drops_a_launch(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """Launches all tasks but the last."""
    after, commands = step(gang, event, now)
    launches = [command for command in commands if isinstance(command, LaunchTask)]
    return after, tuple(c for c in commands if len(launches) < 2 or c is not launches[-1])


def _changing(kind: type[Command], change: Callable[[Any], Command | None]) -> Step:
    """`step`, with each command of a kind changed, or left out."""

    def changed(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
        after, commands = step(gang, event, now)
        results = (change(c) if isinstance(c, kind) else c for c in commands)
        return after, tuple(c for c in results if c is not None)

    return changed


def _adding(change: Callable[[Gang, Gang, float], Gang]) -> Step:
    """`step`, with the new gang changed: a function of the gang before, the gang, the time."""

    def changed(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
        after, commands = step(gang, event, now)
        return change(gang, after, now), commands

    return changed


def _deaf_to(kind: type[Event]) -> Step:
    """`step`, without a reaction to one kind of event."""

    def deaf(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
        return (gang, ()) if isinstance(event, kind) else step(gang, event, now)

    return deaf


def takes_more_than_offered(launch: LaunchTask) -> Command:
    """One cpu more than the agent has."""
    first, *others = launch.shares
    more = replace(first, resources=first.resources + Resources(cpus=9.0))
    return replace(launch, shares=(more, *others))


def takes_from_the_wrong_role(launch: LaunchTask) -> Command:
    """The right amount, of another role's share."""
    other = {"*": "web", "web": "*"}
    return replace(launch, shares=tuple(replace(s, role=other[s.role]) for s in launch.shares))


def reuses_offers(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """Launches all tasks on the offers of the first."""
    after, commands = step(gang, event, now)
    first = next((c for c in commands if isinstance(c, LaunchTask)), None)
    return after, tuple(
        replace(c, offer_ids=first.offer_ids) if first and isinstance(c, LaunchTask) else c
        for c in commands
    )


def counts_ranks_wrong(start: StartMpi) -> Command:
    """One rank too many."""
    first, *others = start.hosts
    return replace(start, hosts=(replace(first, ranks=first.ranks + 1), *others))


def is_done_early(before: Gang, after: Gang, now: float) -> Gang:
    """Does not wait for what it has ended."""
    return replace(after, state=State.DONE) if after.state is State.DRAINING else after


def blames_nobody(before: Gang, after: Gang, now: float) -> Gang:
    """Ends well, in the end."""
    return replace(after, outcome=Outcome(exit_status=0)) if before.outcome else after


def waits_without_a_limit(before: Gang, after: Gang, now: float) -> Gang:
    """Drains for as long as it takes."""
    return replace(after, deadlines={}) if after.state is State.DRAINING else after


def holds_offers_for_ever(before: Gang, after: Gang, now: float) -> Gang:
    """Thinks that one more moment will do."""
    longer = {key: replace(held, until=held.until + 60) for key, held in after.held.items()}
    return replace(after, held=longer)


def puts_the_master_off(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """Waits for the master anew whenever it is lost."""
    after, commands = step(gang, event, now)
    if isinstance(event, MasterLost) and after.deadlines:
        restarted = {**after.deadlines, Deadline.MASTER: now + RECONNECT_SECONDS}
        return replace(after, deadlines=restarted), commands
    return after, commands


def starts_mpi_twice(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """Forgets that mpiexec was ended and lets proxies have another."""
    after, commands = step(gang, event, now)
    return after, tuple(c for c in commands for _ in range(1 + isinstance(c, StartMpi)))


def believes_mpiexec(gang: Gang, event: Event, now: float) -> tuple[Gang, tuple[Command, ...]]:
    """Takes no task's word for a failed rank."""
    heard = replace(event, failed_rank=None) if isinstance(event, TaskUpdated) else event
    return step(gang, heard, now)


def keeps_state_of_its_own() -> Step:
    """Declines for a time that depends on what was declined before."""
    counter = itertools.count(1)
    return _changing(DeclineOffers, lambda c: replace(c, refuse_seconds=float(next(counter))))


BUGS: dict[str, Step] = {
    "drops a launch": drops_a_launch,
    "takes more than offered": _changing(LaunchTask, takes_more_than_offered),
    "takes from the wrong role": _changing(LaunchTask, takes_from_the_wrong_role),
    "reuses offers": reuses_offers,
    "ignores rescissions": _deaf_to(OfferRescinded),
    "reuses task ids": _changing(LaunchTask, lambda c: replace(c, task_id=f"job.{c.ranks}")),
    "forgets to decline": _changing(DeclineOffers, lambda _: None),
    "holds offers for ever": _adding(holds_offers_for_ever),
    "forgets to revive": _changing(ReviveOffers, lambda _: None),
    "forgets to kill": _changing(KillTask, lambda _: None),
    "forgets to tear down": _changing(TearDown, lambda _: None),
    "counts ranks wrong": _changing(StartMpi, counts_ranks_wrong),
    "ignores lost proxies": _deaf_to(ProxyLost),
    "starts mpiexec twice": starts_mpi_twice,
    "is done early": _adding(is_done_early),
    "waits for mpiexec without a limit": _adding(waits_without_a_limit),
    "puts the master's deadline off": puts_the_master_off,
    "ignores the first signals": _deaf_to(Cancelled),
    "blames nobody": _adding(blames_nobody),
    "believes mpiexec": believes_mpiexec,
    "keeps state of its own": keeps_state_of_its_own(),
}
