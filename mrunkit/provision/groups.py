"""Which groups of an inventory make a lab, and how many hosts each may have. Pure.

Bootstrap asks before it starts Ansible, and `fitness/` again for those who start the playbooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

MASTERS, MANAGERS, STORAGE, AGENTS = GROUPS = ("masters", "managers", "storage", "agents")
_MADE_BY_ANSIBLE = {"all", "ungrouped"}

Members = Mapping[str, Sequence[str]]
"""The names of each group's hosts; a group that is not there has none."""


def everyone(members: Members) -> set[str]:
    """The hosts of all groups."""
    return {name for names in members.values() for name in names}


def group_problems(members: Members) -> Iterator[tuple[str, str]]:
    """What keeps the groups from being a lab's, each with what to do."""
    others = [group for group in members if group not in {*GROUPS, *_MADE_BY_ANSIBLE}]
    there = f" (other groups there are: {', '.join(others)})" if others else ""
    for group in (MASTERS, AGENTS):
        if not members.get(group):
            yield (
                f"group [{group}] is missing or has no host{there}",
                f"name its hosts under [{group}]; see `mrunkit init` for an example",
            )
    for group in (MASTERS, MANAGERS):
        if len(names := members.get(group, ())) not in (0, 1, 3):
            yield (
                f"group [{group}] has {len(names)} hosts: {', '.join(names)}",
                "name 1, or 3 of which any two can decide",
            )
    if len(names := members.get(STORAGE, ())) > 1:
        yield (
            f"group [{STORAGE}] has {len(names)} hosts: {', '.join(names)}",
            "name the one that exports the share",
        )
    for name in members.get("ungrouped", ()):
        yield f"{name} is in no group", f"put it into [{AGENTS}], or into a group of your own"
