"""Offers of a gang that is being collected: held, declined, and turned into tasks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mrunkit.errors import ExitStatus

from .commands import LaunchTask, ReviveOffers, SuppressOffers
from .ending import REFUSE_UNNEEDED_SECONDS, decline_offers, end_job
from .events import OfferRescinded, OffersReceived
from .gang import Deadline, Gang, HeldOffer, Outcome, State, Task
from .offers import Candidate, Offer, by_agent, is_eligible, take, together
from .placement import fill
from .resources import Demand
from .turn import Turn

HOLD_SECONDS = 2.0
"""How long offers wait for the rest of a gang, from the first on; up to twice that, by jitter.
Longer than Mesos' allocation tick of 1 s, so that what another framework declines meanwhile comes
in time; not much longer, since gangs that wait for each other's agents wait for each other's holds.
All go back together and are asked for together: agents that came back one by one would hardly ever
be there at once."""

REFUSE_UNUSABLE_SECONDS = 60.0
"""An agent that the job may not use will not become usable."""

EARLY_ASK_ODDS = 0.25
"""Agents that were declined may be another gang's by now, and to ask for them again in vain holds
up all: so each such asking makes the next so much less likely. A gang that is alone needs one."""

LEAST_REFUSAL_SECONDS = 0.1
LONGEST_REFUSAL_SECONDS = 20.0
"""Bound of the back-off with which a gang that does not fit asks again."""


def offers_received(turn: Turn, event: OffersReceived) -> None:
    """Hold what can be used until the whole gang fits, and decline the rest."""
    if turn.gang.state is not State.COLLECTING:
        decline_offers(turn, [offer.offer_id for offer in event.offers], REFUSE_UNNEEDED_SECONDS)
        return
    gang = turn.gang
    taken = gang.failed_agents | {task.agent_id for task in gang.current_tasks}
    usable = {
        offer.offer_id: offer
        for offer in event.offers
        if offer.agent_id not in taken and is_eligible(offer, gang.spec)
    }
    unusable = [offer.offer_id for offer in event.offers if offer.offer_id not in usable]
    decline_offers(turn, unusable, REFUSE_UNUSABLE_SECONDS * (1 + event.jitter))
    if _is_passed_over(turn, usable, event.jitter):
        return
    until = turn.now + HOLD_SECONDS * (1 + event.jitter)
    until = min((held.until for held in gang.held.values()), default=until)
    newly_held = {key: HeldOffer(offer=offer, until=until) for key, offer in usable.items()}
    turn.update(held={**gang.held, **newly_held}, jitter=event.jitter)
    _launch_if_all_fit(turn)


def _is_passed_over(turn: Turn, offers: Mapping[str, Offer], jitter: float) -> bool:
    """Decline what comes between two rounds, unless the gang may fit with what went back before."""
    gang = turn.gang
    if Deadline.RETRY not in gang.deadlines:
        return False
    passed_over = {**gang.passed_over, **_each_of(offers.values())}
    may_fit = len(_placed(gang, passed_over)) == len(gang.open_slots)
    if may_fit and jitter < EARLY_ASK_ODDS**gang.early_asks:
        turn.update(early_asks=gang.early_asks + 1)
        ask_again(turn)
        return False
    left = max(LEAST_REFUSAL_SECONDS, gang.deadlines[Deadline.RETRY] - turn.now)
    decline_offers(turn, list(offers), left)
    turn.update(passed_over=passed_over, jitter=jitter)
    return True


def _each_of(offers: Iterable[Offer]) -> Mapping[str, tuple[Offer, ...]]:
    return {agent_id: tuple(of_agent) for agent_id, of_agent in by_agent(offers).items()}


def _placed(gang: Gang, offers: Mapping[str, Sequence[Offer]]) -> list[Candidate]:
    """The agents for the open slots, or for as many of them as can be filled."""
    slot_sizes = gang.spec.slot_sizes
    sizes = [slot_sizes[slot] for slot in gang.open_slots]
    candidates = [together(of_agent) for of_agent in offers.values()]
    filled = fill(sizes, gang.spec.rank, candidates, gang.spec.policy)
    return [candidate for candidate in filled if candidate is not None]


def _launch_if_all_fit(turn: Turn) -> None:
    gang = turn.gang
    slot_sizes = gang.spec.slot_sizes
    sizes = [slot_sizes[slot] for slot in gang.open_slots]
    offers = by_agent(held.offer for held in gang.held.values())
    placed = _placed(gang, offers)
    turn.update(slots_offered=len(gang.current_tasks) + len(placed))
    if len(placed) < len(sizes):
        return
    turn.update(placement=tuple(zip(placed, sizes, strict=True)))
    if gang.spec.dry_run:
        end_job(turn, Outcome(exit_status=ExitStatus.OK))
        return
    _launch(turn, {candidate.agent_id: offers[candidate.agent_id] for candidate in placed})
    decline_offers(turn, list(turn.gang.held), REFUSE_UNNEEDED_SECONDS)
    turn.do(SuppressOffers())
    turn.update(held={})
    turn.clear_deadlines(Deadline.RESOURCES)
    turn.set_deadline(Deadline.START, gang.spec.start_timeout)
    turn.enter(State.LAUNCHING)


def _launch(turn: Turn, offers: Mapping[str, Sequence[Offer]]) -> None:
    """Turn all held offers of each of these agents into the task of an open slot."""
    gang = turn.gang
    slot_sizes = gang.spec.slot_sizes
    tasks, slots = dict(gang.tasks), list(gang.slots)
    attempts = Counter(task.slot for task in tasks.values())
    for slot, of_agent in zip(gang.open_slots, offers.values(), strict=True):
        task = Task(
            # Never used twice: a real agent crashes on an id that has just ended.
            task_id=f"{gang.spec.job_id}.{slot}.{attempts[slot]}",
            slot=slot,
            ranks=slot_sizes[slot],
            agent_id=of_agent[0].agent_id,
            hostname=of_agent[0].hostname,
        )
        tasks[task.task_id] = task
        slots[slot] = task.task_id
        turn.do(_launch_command(task, of_agent, gang.spec.rank))
    held = {key: held for key, held in gang.held.items() if held.offer.agent_id not in offers}
    turn.update(held=held, tasks=tasks, slots=tuple(slots))


def _launch_command(task: Task, offers: Sequence[Offer], rank: Demand) -> LaunchTask:
    return LaunchTask(
        task_id=task.task_id,
        agent_id=task.agent_id,
        hostname=task.hostname,
        address=offers[0].address,
        ranks=task.ranks,
        shares=take([share for offer in offers for share in offer.shares], rank * task.ranks),
        offer_ids=tuple(offer.offer_id for offer in offers),
    )


def offer_rescinded(turn: Turn, event: OfferRescinded) -> None:
    """Forget an offer that the master has taken back."""
    held = turn.gang.held
    turn.update(held={key: value for key, value in held.items() if key != event.offer_id})


def decline_overdue(turn: Turn) -> None:
    """Give back what was held in vain, all at once, and for longer each time."""
    gang = turn.gang
    if not any(held.until <= turn.now for held in gang.held.values()):
        return
    # A float holds no more than 2**1023, and a gang may wait for days.
    backed_off = min(LONGEST_REFUSAL_SECONDS, 2.0 ** min(gang.rounds, 10)) * (0.5 + gang.jitter)
    decline_offers(turn, list(gang.held), backed_off)
    turn.update(
        held={},
        passed_over=_each_of(held.offer for held in gang.held.values()),
        rounds=gang.rounds + 1,
    )
    turn.set_deadline(Deadline.RETRY, backed_off)


def ask_again(turn: Turn) -> None:
    """Have everything offered again, whatever was declined before."""
    turn.clear_deadlines(Deadline.RETRY)
    turn.update(passed_over={})
    turn.do(ReviveOffers())
