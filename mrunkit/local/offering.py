"""Offers: made by fairness, used up, declined, rescinded.

Owns the offers that are out and the filters of what was refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mrunkit.local.allocator import Claimant, Refusal, allocate, refused_until
from mrunkit.local.config import LocalConfig
from mrunkit.local.outbox import Outbox
from mrunkit.local.records import AgentState, Framework, Ledger, Offer, offer_json, total
from mrunkit.local.wire import Json
from mrunkit.scheduler.resources import Resources

DEFAULT_REFUSE_SECONDS = 5.0


class Offering:
    """Makes offers out of what is free, and takes them back."""

    def __init__(self, config: LocalConfig, ledger: Ledger, outbox: Outbox, master_id: str) -> None:
        self._config = config
        self._ledger = ledger
        self._outbox = outbox
        self._master_id = master_id
        self._made = 0
        self._refusals: list[Refusal] = []

    def allocate(self, now: float) -> None:
        """Offer what is free to whom it is due."""
        self._refusals = [r for r in self._refusals if now < r.until]
        claimants = self._claimants()
        if not claimants:
            return
        agents = self._ledger.agents.values()
        whole = total(agent.total for agent in agents if agent.state is AgentState.ACTIVE)
        offers: dict[str, list[Offer]] = {}
        for given in allocate(claimants, self._ledger.free(), whole, self._refusals, now):
            offer = Offer(
                id=f"{self._master_id}-O{self._made}",
                framework_id=given.framework_id,
                role=given.role,
                agent_id=given.agent_id,
                resources=given.resources,
                made_at=now,
            )
            self._made += 1
            self._ledger.offers[offer.id] = offer
            offers.setdefault(given.framework_id, []).append(offer)
        for framework_id, made in offers.items():
            framework = self._ledger.frameworks[framework_id]
            shown = [
                offer_json(offer, self._ledger.agents[offer.agent_id], framework.info)
                for offer in made
            ]
            self._outbox.send(framework, {"type": "OFFERS", "offers": {"offers": shown}})

    def decline(self, framework: Framework, body: Json, now: float) -> None:
        """A framework does not want some offers; unknown ones are passed over."""
        for item in body.get("offer_ids", ()):
            offer = self.withdraw(framework, item["value"])
            if offer is not None:
                self.refuse(offer, offer.resources, body, now)

    def refuse(self, offer: Offer, left: Resources, body: Json, now: float) -> None:
        """Filter what is left of an offer, as long as a call's filters say."""
        seconds = float(body.get("filters", {}).get("refuse_seconds", DEFAULT_REFUSE_SECONDS))
        until = refused_until(now, seconds, self._config.allocation_interval)
        if until is None or left.is_empty:
            return
        self._refusals.append(
            Refusal(
                framework_id=offer.framework_id,
                role=offer.role,
                agent_id=offer.agent_id,
                resources=left,
                until=until,
            )
        )

    def revive(self, framework: Framework, roles: Collection[str], now: float) -> None:
        """A framework wants everything again."""
        framework.suppressed -= set(roles)
        self._refusals = [
            r for r in self._refusals if r.framework_id != framework.id or r.role not in roles
        ]
        self.allocate(now)

    def withdraw(self, framework: Framework, offer_id: str) -> Offer | None:
        """End an offer without a word; None if the framework has no such offer."""
        offer = self._ledger.offers.get(offer_id)
        if offer is None or offer.framework_id != framework.id:
            return None
        return self._ledger.offers.pop(offer_id)

    def withdraw_all(self, framework: Framework) -> None:
        """End all offers of a framework without a word."""
        for offer_id in list(self._ledger.offers):
            self.withdraw(framework, offer_id)

    def forget(self, framework: Framework) -> None:
        """Drop all offers and filters of a framework."""
        self.withdraw_all(framework)
        self._refusals = [r for r in self._refusals if r.framework_id != framework.id]

    def rescind(self, offers: Sequence[Offer]) -> None:
        """Take offers back."""
        for offer in offers:
            del self._ledger.offers[offer.id]
            framework = self._ledger.frameworks[offer.framework_id]
            event: Json = {"type": "RESCIND", "rescind": {"offer_id": {"value": offer.id}}}
            self._outbox.send(framework, event)

    def rescind_of_agent(self, agent_id: str) -> None:
        """Take back what was offered of an agent."""
        self.rescind([o for o in self._ledger.offers.values() if o.agent_id == agent_id])

    def rescind_overdue(self, now: float) -> None:
        """Take back what was held too long, if there is such a limit."""
        limit = self._config.offer_timeout
        if limit is not None:
            self.rescind([o for o in self._ledger.offers.values() if now - o.made_at >= limit])

    def _claimants(self) -> list[Claimant]:
        ledger = self._ledger
        return [
            Claimant(
                framework_id=framework.id,
                role=role,
                held=ledger.used_by(framework, role) + ledger.offered_to(framework, role),
                takes_gpus=framework.info.has("GPU_RESOURCES"),
            )
            for framework in ledger.frameworks.values()
            if framework.stream_id is not None
            for role in framework.info.roles
            if role not in framework.suppressed
        ]
