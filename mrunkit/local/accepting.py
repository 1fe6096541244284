"""What an ACCEPT names: its offers, and the tasks it wants launched on them.

Owns the reading of an ACCEPT. Pure; the master decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mrunkit.local.records import Offer
from mrunkit.local.wire import Json, TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """The tasks of an ACCEPT's operations; `grouped` ones want to be launched as a pod."""

    tasks: tuple[TaskInfo, ...]
    grouped: tuple[TaskInfo, ...]


def launches(operations: Iterable[Json]) -> Launches:
    """All tasks that operations want launched; other operations are passed over."""
    tasks: list[TaskInfo] = []
    grouped: list[TaskInfo] = []
    for operation in operations:
        match operation.get("type"):
            case "LAUNCH":
                infos = operation.get("launch", {}).get("task_infos", ())
                tasks.extend(TaskInfo.parse(info) for info in infos)
            case "LAUNCH_GROUP":
                infos = operation.get("launch_group", {}).get("task_group", {}).get("tasks", ())
                grouped.extend(TaskInfo.parse(info) for info in infos)
            case _:
                continue
    return Launches(tasks=tuple(tasks), grouped=tuple(grouped))


def offers_named(
    offer_ids: Sequence[str], framework_id: str, offers: Mapping[str, Offer]
) -> list[Offer] | str:
    """The offers an ACCEPT may use together, or why it may not."""
    if not offer_ids:
        return "No offers specified"
    named: list[Offer] = []
    for offer_id in offer_ids:
        offer = offers.get(offer_id)
        if offer is None or offer.framework_id != framework_id:
            return f"Offer {offer_id} is no longer valid"
        if offer in named:
            return f"Duplicate offer {offer_id} in offer list"
        if named and offer.agent_id != named[0].agent_id:
            return "Aggregated offers must belong to one single agent"
        if named and offer.role != named[0].role:
            return "Aggregated offers must be allocated to the same role"
        named.append(offer)
    return named
