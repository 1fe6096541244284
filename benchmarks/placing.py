"""How long it takes to place 500 nodes out of 10,000 offers.

`place` alone, and `step` from the offers' arrival to the commands that launch the tasks; each
with every policy. Prints the median of 20 runs in milliseconds of CPU time: nothing here waits, and
so a busy machine disturbs it less. Usage: python benchmarks/placing.py
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from mrunkit.scheduler.commands import LaunchTask
from mrunkit.scheduler.events import OffersReceived, Subscribed
from mrunkit.scheduler.gang import new_gang
from mrunkit.scheduler.job import JobSpec, Policy
from mrunkit.scheduler.offers import Offer, Share
from mrunkit.scheduler.placement import place
from mrunkit.scheduler.resources import Demand, Resources
from mrunkit.scheduler.transitions import step

NODES = 500
OFFERS = 10_000
RUNS = 20
GOAL_MS = 50.0
RANKS_PER_NODE = 4


def main() -> None:
    """Measure and print."""
    offers = make_offers(random.Random(1))
    print(f"{NODES} nodes out of {OFFERS} offers, median of {RUNS} (goal: {GOAL_MS:g} ms)")
    print(f"{'policy':<12}{'place':>10}{'step':>10}")
    for policy in Policy:
        spec = make_spec(policy)
        placing = median_ms(lambda spec=spec: run_place(spec, offers))
        stepping = median_ms(lambda spec=spec: run_step(spec, offers))
        print(f"{policy.value:<12}{placing:>7.1f} ms{stepping:>7.1f} ms")


def make_offers(random_numbers: random.Random) -> tuple[Offer, ...]:
    """One offer per agent; every second one is too small for a node of the job."""
    return tuple(
        Offer.of(
            f"O{number}",
            f"S{number}",
            hostname=f"host{number}",
            address=f"10.0.{number // 256}.{number % 256}",
            shares=(
                Share(
                    role="*",
                    resources=Resources(
                        cpus=random_numbers.choice([1.0, 2.0, 4.0, 16.0]),
                        mem=random_numbers.choice([4096.0, 65536.0]),
                        ports=((31000, 31499), (31502, 31999)),
                    ),
                ),
            ),
        )
        for number in range(OFFERS)
    )


def make_spec(policy: Policy) -> JobSpec:
    """A job of nodes with 4 and 5 ranks."""
    return JobSpec(
        job_id="bench",
        nodes=NODES,
        procs=NODES * RANKS_PER_NODE + NODES // 2,
        rank=Demand(cpus=0.8, mem=256.0),
        policy=policy,
    )


def run_place(spec: JobSpec, offers: tuple[Offer, ...]) -> None:
    """Place once, and make sure that it did."""
    placed = place(spec.slot_sizes, spec.rank, offers, spec.policy)
    if placed is None:
        raise SystemExit("the job does not fit")


def run_step(spec: JobSpec, offers: tuple[Offer, ...]) -> None:
    """Handle all offers in one event, and make sure that all tasks were launched."""
    gang, _ = step(new_gang(spec, 0.0), Subscribed(framework_id="f", master="m:5050"), 0.0)
    _, commands = step(gang, OffersReceived(offers=offers), 0.0)
    if sum(isinstance(command, LaunchTask) for command in commands) != spec.nodes:
        raise SystemExit("the job was not launched")


def median_ms(run: Callable[[], None]) -> float:
    """The median CPU time of a number of runs, in milliseconds."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
