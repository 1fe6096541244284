"""Gangs that have to share a cluster get it in the end, whatever each of them is offered when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from mrunkit.scheduler.commands import Command, DeclineOffers, LaunchTask, ReviveOffers
from mrunkit.scheduler.events import OffersReceived, Subscribed, TimePassed
from mrunkit.scheduler.gang import Gang, State, new_gang
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.offers import Offer, Share
from mrunkit.scheduler.resources import Demand, Resources
from mrunkit.scheduler.transitions import step

AGENTS = 4
TICK = 1.0
"""Mesos' allocation interval, to which it also rounds filters up."""
JOB_SECONDS = 20.0
TURN_SECONDS = 60.0
"""For a job and the end of the contention for the next turn, on an average of all turns."""


@dataclass
class Framework:
    """One gang, and what the master knows of it."""

    gang: Gang
    random_numbers: random.Random
    refused_until: dict[int, float] = field(default_factory=dict)
    launched_at: float | None = None


@dataclass
class Master:
    """An allocator: each tick, free agents go to the framework that holds the fewest."""

    frameworks: list[Framework]
    holders: dict[int, Framework | None] = field(
        default_factory=lambda: dict.fromkeys(range(AGENTS))
    )
    busy_until: dict[int, float] = field(default_factory=dict)
    """When somebody else leaves an agent, for those that are not free from the start."""
    now: float = 0.0

    def tick(self) -> None:
        """One allocation, after all that has become due since the last one."""
        self.now += TICK
        for framework in self.frameworks:
            self._pass_time(framework)
        for framework in sorted(self.frameworks, key=self._held):
            self._offer(framework)

    def _held(self, framework: Framework) -> int:
        return sum(holder is framework for holder in self.holders.values())

    def _pass_time(self, framework: Framework) -> None:
        while (due := framework.gang.next_deadline) is not None and due <= self.now:
            if framework.gang.state is not State.COLLECTING:
                break
            framework.gang, commands = step(framework.gang, TimePassed(), due)
            self._carry_out(framework, commands, due)
        if framework.launched_at is not None and self.now > framework.launched_at + JOB_SECONDS:
            self.holders = {
                agent: None if holder is framework else holder
                for agent, holder in self.holders.items()
            }

    def _offer(self, framework: Framework) -> None:
        if framework.gang.state is not State.COLLECTING:
            return
        free = [
            agent
            for agent, holder in self.holders.items()
            if holder is None
            and max(framework.refused_until.get(agent, 0.0), self.busy_until.get(agent, 0.0))
            <= self.now
        ]
        # Fair: nobody gets more than half in one allocation.
        offers = tuple(self._make_offer(agent) for agent in free[: AGENTS // 2])
        if offers:
            for offer in offers:
                self.holders[_agent(offer.offer_id)] = framework
            event = OffersReceived(offers=offers, jitter=framework.random_numbers.random())
            framework.gang, commands = step(framework.gang, event, self.now)
            self._carry_out(framework, commands, self.now)

    def _make_offer(self, agent: int) -> Offer:
        return Offer.of(
            f"O{self.now}/{agent}",
            f"S{agent}",
            hostname=f"host{agent}",
            address=f"10.0.0.{agent}",
            shares=(Share(role="*", resources=Resources(cpus=4.0)),),
        )

    def _carry_out(self, framework: Framework, commands: tuple[Command, ...], now: float) -> None:
        for command in commands:
            if isinstance(command, LaunchTask):
                framework.launched_at = now
            elif isinstance(command, DeclineOffers):
                for offer_id in command.offer_ids:
                    self.holders[_agent(offer_id)] = None
                    framework.refused_until[_agent(offer_id)] = now + command.refuse_seconds
            elif isinstance(command, ReviveOffers):
                framework.refused_until = {}


def _agent(offer_id: str) -> int:
    return int(offer_id.rpartition("/")[2])


def _subscribed(name: str, seed: int, *, nodes: int = AGENTS) -> Framework:
    spec = JobSpec(job_id=name, nodes=nodes, procs=nodes, rank=Demand(cpus=4.0))
    gang, _ = step(new_gang(spec, 0.0), Subscribed(framework_id=name, master="m:5050"), 0.0)
    return Framework(gang=gang, random_numbers=random.Random(seed))


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_both_get_the_whole_cluster_in_turn(seed: int) -> None:
    """Each starts out with half of the agents, and both have been launched within 20 minutes."""
    first, second = _subscribed("a", 2 * seed), _subscribed("b", 2 * seed + 1)
    master = Master([first, second])
    master.tick()
    assert [len(first.gang.held), len(second.gang.held)] == [AGENTS // 2, AGENTS // 2]
    while first.launched_at is None or second.launched_at is None:
        master.tick()
        assert master.now < 1200, "they wait for each other"


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_however_many_gangs_there_are_each_gets_its_turn(seed: int, count: int) -> None:
    """Each needs more than half; what one gives back, all others are offered at once."""
    gangs = [_subscribed(str(n), count * seed + n, nodes=AGENTS - 1) for n in range(count)]
    master = Master(gangs)
    while any(gang.launched_at is None for gang in gangs):
        master.tick()
        assert master.now < count * TURN_SECONDS, "they wait for each other"


@settings(max_examples=200)
@given(
    st.integers(0, 10**6),
    st.lists(st.floats(0.0, 120.0), min_size=AGENTS, max_size=AGENTS),
)
def test_a_gang_is_launched_as_soon_as_there_is_room(seed: int, freed: list[float]) -> None:
    """Agents come free one by one, while those from before are held, or were given back."""
    gang = _subscribed("a", seed)
    master = Master([gang], busy_until=dict(enumerate(freed)))
    while gang.launched_at is None:
        master.tick()
        assert master.now < max(freed) + 5 * TICK, "it does not see that it fits"
