"""Offers become a gang, or it is told why none can be made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from job_steps import FAILED, Job, capacity, kinds, offer, offers

from mrunkit.scheduler.collecting import (
    HOLD_SECONDS,
    LONGEST_REFUSAL_SECONDS,
    REFUSE_UNUSABLE_SECONDS,
)
from mrunkit.scheduler.commands import (
    DeclineOffers,
    LaunchTask,
    ReviveOffers,
    SuppressOffers,
    TearDown,
)
from mrunkit.scheduler.ending import REFUSE_UNNEEDED_SECONDS
from mrunkit.scheduler.events import MasterLost, OfferRescinded, OffersReceived
from mrunkit.scheduler.gang import Outcome, State
from mrunkit.scheduler.offers import Share
from mrunkit.scheduler.resources import Resources
from mrunkit.scheduler.transitions import SETTLE_SECONDS

# --- collecting and launching ---------------------------------------------------------


def test_nothing_is_launched_before_all_slots_can_be_filled() -> None:
    """Offers for three of four nodes are held."""
    job = Job(nodes=4).subscribed()
    assert job.send(offers(0, 1, 2)) == ()
    assert job.gang.slots_offered == 3
    assert kinds(job.send(offers(3))) == [LaunchTask] * 4 + [SuppressOffers]
    assert job.gang.state is State.LAUNCHING


def test_each_task_takes_what_its_ranks_need() -> None:
    """10 ranks on 4 nodes: 3, 3, 2, 2 cpus."""
    job = Job(nodes=4, procs=10).launched()
    assert [task.ranks for task in job.given(LaunchTask)] == [3, 3, 2, 2]
    taken = [sum(s.resources.cpus for s in task.shares) for task in job.given(LaunchTask)]
    assert taken == [3.0, 3.0, 2.0, 2.0]


def test_offers_of_one_agent_are_accepted_together() -> None:
    """An agent's reserved and unreserved offers count as one room, the reserved used first."""
    job = Job(nodes=1, procs=3).subscribed()
    two = (offer(0, "A", cpus=2.0), offer(0, "B", cpus=2.0, role="web"))
    job.send(OffersReceived(offers=two))
    (launch,) = job.given(LaunchTask)
    assert launch.offer_ids == ("A", "B")
    assert launch.shares == (
        Share(role="web", resources=Resources(cpus=2.0)),
        Share(role="*", resources=Resources(cpus=1.0)),
    )


def test_what_is_not_needed_is_given_back() -> None:
    """For the rest of the job."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0, 1, 2))
    assert job.given(DeclineOffers) == [
        DeclineOffers(offer_ids=("O2",), refuse_seconds=REFUSE_UNNEEDED_SECONDS)
    ]


def test_an_excluded_agent_is_declined_at_once() -> None:
    """What cannot be used is not held."""
    job = Job(nodes=2, exclude=frozenset({"host0"})).subscribed()
    (decline,) = job.send(offers(0, 1, jitter=0.25))
    refuse = REFUSE_UNUSABLE_SECONDS * 1.25
    assert decline == DeclineOffers(offer_ids=("O0",), refuse_seconds=refuse)
    assert set(job.gang.held) == {"O1"}


def test_a_rescinded_offer_is_not_used() -> None:
    """It has to come again."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0), OfferRescinded(offer_id="O0"))
    assert job.send(offers(1)) == ()


def test_offers_after_the_launch_are_declined() -> None:
    """They were under way when the offers were suppressed."""
    job = Job(nodes=1).launched()
    assert job.send(offers(7)) == (
        DeclineOffers(offer_ids=("O7",), refuse_seconds=REFUSE_UNNEEDED_SECONDS),
    )


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_offers_are_held_for_a_bounded_time(jitter: float) -> None:
    """Then they are declined for a time that depends on the jitter."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0, jitter=jitter))
    hold = HOLD_SECONDS * (1 + jitter)
    assert job.wait(hold - 0.01) == ()
    assert job.wait(0.02) == (DeclineOffers(offer_ids=("O0",), refuse_seconds=0.5 + jitter),)


def test_refusals_grow_up_to_a_bound() -> None:
    """A gang that does not fit asks less and less often."""
    job = Job(nodes=2).subscribed()
    for _ in range(8):
        job.send(offers(0))
        job.wait(HOLD_SECONDS * 2)
        job.wait(LONGEST_REFUSAL_SECONDS)
    refusals = [decline.refuse_seconds for decline in job.given(DeclineOffers)]
    assert refusals == [1.0, 2.0, 4.0, 8.0, 16.0] + [LONGEST_REFUSAL_SECONDS] * 3


def test_what_is_held_goes_back_together_and_is_asked_for_together() -> None:
    """Agents that came back at times of their own might never be there at once."""
    job = Job(nodes=3).subscribed()
    job.send(offers(0))
    job.wait(HOLD_SECONDS)
    job.send(offers(1))
    assert job.wait(HOLD_SECONDS / 2) == (
        DeclineOffers(offer_ids=("O0", "O1"), refuse_seconds=1.0),
    )
    assert job.wait(0.9) == ()
    assert job.wait(0.2) == (ReviveOffers(),)


def test_what_comes_between_two_rounds_is_others_as_well() -> None:
    """It is declined until everything is asked for again, if the gang would not fit with it."""
    job = Job(nodes=3).subscribed()
    job.gang = replace(job.gang, rounds=4)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 1.5)
    job.wait(6.0)
    assert job.send(offers(1)) == (DeclineOffers(offer_ids=("O1",), refuse_seconds=10.0),)


def test_a_round_begins_early_if_the_gang_may_fit() -> None:
    """With what was held in vain before, if that is still there."""
    job = Job(nodes=3).subscribed()
    job.gang = replace(job.gang, rounds=4)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 1.5)
    job.send(offers(1))
    assert job.send(offers(2)) == (ReviveOffers(),)
    assert set(job.gang.held) == {"O2"}
    assert job.wait(HOLD_SECONDS) == ()
    assert kinds(job.send(offers(0, 1))) == [LaunchTask] * 3 + [SuppressOffers]


@pytest.mark.parametrize(("jitter", "is_asked"), [(0.2, True), (0.3, False)])
def test_a_round_begins_early_less_and_less_often(jitter: float, *, is_asked: bool) -> None:
    """Others may have taken what was given back; after one time in vain, one time in four."""
    job = Job(nodes=2).subscribed()
    job.gang = replace(job.gang, rounds=4, early_asks=1)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 1.5)
    asked = kinds(job.send(offers(1, jitter=jitter)))
    assert asked == [ReviveOffers if is_asked else DeclineOffers]
    assert job.gang.early_asks == 1 + is_asked


def test_a_new_subscription_begins_anew() -> None:
    """The new master knows of nothing that was declined."""
    job = Job(nodes=2).subscribed()
    job.gang = replace(job.gang, rounds=4)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 1.5)
    job.send(MasterLost(message="gone"))
    job.subscribed()
    assert job.send(offers(0)) == ()
    assert set(job.gang.held) == {"O0"}


def test_a_gang_may_wait_for_days() -> None:
    """After thousands of rounds it still declines as after ten."""
    job = Job(nodes=2).subscribed()
    job.gang = replace(job.gang, rounds=5000)
    job.send(offers(0))
    job.wait(HOLD_SECONDS * 2)
    (decline,) = job.given(DeclineOffers)
    assert decline.refuse_seconds == LONGEST_REFUSAL_SECONDS


def test_a_dry_run_launches_nothing() -> None:
    """It ends with the placement, and gives everything back."""
    job = Job(nodes=2, procs=3, dry_run=True).subscribed()
    assert kinds(job.send(offers(0, 1, 2))) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(exit_status=0)
    assert [(agent.hostname, n) for agent, n in job.gang.placement] == [("host0", 2), ("host1", 1)]


# --- no room ---------------------------------------------------------------------------


def test_an_infeasible_job_ends_before_any_offer() -> None:
    """What no agent could ever hold is not waited for."""
    job = Job(nodes=2, procs=10).subscribed()
    assert job.send(capacity(0, 1)) == (TearDown(),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="no 2 agents with 5 cpus each: the largest 2 have 4, 4",
        remedy="-c 0.8 would fit",
    )


@pytest.mark.parametrize(
    ("spec", "limit", "when"),
    [
        ({"wait": 0.0}, SETTLE_SECONDS, "now"),
        ({"wait": 30.0}, 30.0, "within 30 s"),
        ({"dry_run": True}, SETTLE_SECONDS, "now"),
    ],
)
def test_resources_are_waited_for_as_long_as_asked(
    spec: dict[str, Any], limit: float, when: str
) -> None:
    """--wait 0 still waits for one round of offers; what was held is declined in the end."""
    job = Job(nodes=3, **spec).subscribed()
    job.wait(limit - 1.0)
    job.send(offers(0))
    job.wait(0.9)
    assert job.gang.state is State.COLLECTING
    assert kinds(job.wait(0.2)) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message=f"only 1 of 3 nodes with room were offered {when}",
        remedy="give it time with --wait, or ask for less",
    )


def test_without_a_limit_resources_are_waited_for() -> None:
    """For ever, if nobody says otherwise."""
    job = Job(nodes=3).subscribed()
    assert job.wait(10**6) == ()
    assert job.gang.state is State.COLLECTING
