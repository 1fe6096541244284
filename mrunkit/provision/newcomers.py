"""Hosts that are new to a lab: the others have to learn of them, whom --limit leaves out as well.

Owns the record of who is known to all others. Decides what bootstrap runs where the hosts that it
is limited to are not among them; contacts no host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from mrunkit.errors import MrunkitError
from mrunkit.provision.kept import keep, read_kept
from mrunkit.provision.lab import Lab
from mrunkit.provision.names import shortened
from mrunkit.provision.playbooks import PlaybookRun
from mrunkit.provision.progress import Progress

LEARNING = ("base", "ssh", "nfs", "client")
"""The steps in which a host learns of all others: their names and addresses, for its firewall as
well; their keys; to whom to export the share; what the lab is for `mrunkit run`."""
_NAMED = 5
"""So many hosts are named; the others are counted."""


class NewcomerError(MrunkitError):
    """A new host cannot be made part of the lab by a run that leaves others out."""


def planned_runs(
    run: PlaybookRun, lab: Lab, *, limited_to: Collection[str], known: Collection[str]
) -> tuple[PlaybookRun, ...]:
    """What to run for a bootstrap with --limit, in order; raises NewcomerError.

    `limited_to` are the hosts that its limit leaves, `known` those that all others have learned of.
    """
    new = [host.name for host in lab.hosts if host.name in limited_to and host.name not in known]
    if not new:
        return (run,)
    if not known:
        raise NewcomerError(
            "--limit is for a lab that is made, and this one is not",
            remedy="run bootstrap once without --limit",
        )
    serving = {host.name for host in (*lab.masters, *lab.managers, lab.storage)}
    if alone := [name for name in new if name in serving]:
        raise NewcomerError(
            f"--limit: {shortened(alone, most=_NAMED)}: new, and more than an agent, which concerns"
            " the other hosts in all steps",
            remedy="run bootstrap without --limit",
        )
    return (dataclasses.replace(run, limit=None, tags=",".join(LEARNING)), run)


def known_after(known: frozenset[str], run: PlaybookRun, progress: Progress) -> frozenset[str]:
    """Who is known to all others when a run has ended, well or not."""
    if run.is_check:
        return known
    if run.playbook.stem != "site":
        return known.difference(progress.hosts)
    return frozenset(progress.hosts) if _have_all_learned(run, progress) else known


def _have_all_learned(run: PlaybookRun, progress: Progress) -> bool:
    """Whether each host has gone through; those that a whole run has lost are to be repeated."""
    if run.limit is not None or (progress.lost and run.tags is not None):
        return False
    learners = set(progress.hosts) - progress.lost
    return bool(learners) and all(
        learners <= set(progress.cells.get(step, ())) for step in LEARNING
    )


def read_known(state_dir: Path) -> frozenset[str]:
    """The record; empty before a bootstrap of all hosts. Raises MrunkitError."""
    return frozenset(read_kept(_file(state_dir), list, "the names of the lab's hosts") or ())


def keep_known(state_dir: Path, known: frozenset[str]) -> None:
    """Write the record where it is another; raises OSError."""
    if known != read_known(state_dir):
        keep(_file(state_dir), sorted(known))


def _file(state_dir: Path) -> Path:
    return state_dir / "known-to-all.json"
