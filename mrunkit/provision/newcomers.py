"""Hosts that are new to a lab: the others have to learn of them, whom --limit leaves out as well.

Owns the record of who is known to all others. Decides what bootstrap runs where the hosts that it
is limited to are not among them; contacts no host.
"""

from __future__ import annotations

import dataclasses
import re
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
_BETWEEN_TERMS = re.compile(r"[,:](?![^\[]*\])")
"""Not the colon of `host[1:3]`. Source: Ansible's guide, Patterns."""
_NAMED = 5
"""So many hosts are named; the others are counted."""


class NewcomerError(MrunkitError):
    """A new host cannot be made part of the lab by a run that leaves others out."""


def learning_run(
    run: PlaybookRun, lab: Lab, *, limited_to: Collection[str], known: Collection[str]
) -> PlaybookRun | None:
    """What to run before a bootstrap with --limit, if anything; raises NewcomerError.

    `limited_to` are the hosts that its limit leaves, `known` those that all others have learned of.
    Hosts that the limit names to be left out (`!host7`) are down for all we know; they learn when
    they are bootstrapped themselves.
    """
    new = [host.name for host in lab.hosts if host.name in limited_to and host.name not in known]
    if not new:
        return None
    if not known:
        raise NewcomerError(
            "--limit is for a lab that was made whole once, and no record says so of this one",
            remedy="run bootstrap once without --limit",
        )
    serving = {host.name for host in (*lab.masters, *lab.managers, lab.storage)}
    if alone := [name for name in new if name in serving]:
        raise NewcomerError(
            f"--limit: {shortened(alone, most=_NAMED)}: new, and more than an agent, which concerns"
            " the other hosts in all steps",
            remedy="run bootstrap without --limit",
        )
    without = [term for term in _BETWEEN_TERMS.split(run.limit or "") if term.startswith("!")]
    limit = ",".join(["all", *without]) if without else None
    return dataclasses.replace(run, limit=limit, tags=",".join(LEARNING))


def known_after(known: frozenset[str], run: PlaybookRun, progress: Progress) -> frozenset[str]:
    """Who is known to all others when a playbook has ended, well or not.

    After a learning run it is for its caller to say so. A host of which something was taken out
    may be another machine when it comes back.
    """
    if run.is_check:
        return known
    if run.playbook.stem != "site":
        return known - progress.changed
    is_whole = run.limit is None and run.tags is None
    return frozenset(progress.hosts) if is_whole and _have_learned(progress) else known


def _have_learned(progress: Progress) -> bool:
    """Whether each host has gone through; those that were lost are to be repeated."""
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
