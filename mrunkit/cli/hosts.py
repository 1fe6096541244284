"""`mrunkit hosts`: what each host of a lab has and runs."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

# Cheap: what costs time is imported where it is used.
from mrunkit.cli.playbook import Inventory

if TYPE_CHECKING:
    from mrunkit.provision.hosts import HostState


def hosts(
    inventory: Inventory,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List what each host of a lab has and runs."""
    from mrunkit.errors import ExitStatus
    from mrunkit.provision.hosts import read_states
    from mrunkit.provision.lab import read_lab
    from mrunkit.ssh import connected

    lab = read_lab(inventory)
    with _counting(len(lab.hosts)) as tell:
        states = read_states(lab, connect=connected, tell=tell)
    print(json.dumps([state.to_json() for state in states]) if is_json else _table(states))
    if any(state.error for state in states):
        raise typer.Exit(ExitStatus.FAILED)


@contextmanager
def _counting(hosts: int) -> Iterator[Callable[[HostState], None]]:
    """Show on a terminal how many hosts have been asked: each may take its time to be silent."""
    if not sys.stderr.isatty():
        yield lambda state: None
        return
    from rich.console import Console
    from rich.status import Status

    asked = itertools.count(1)
    with Status(f"0 of {hosts} hosts asked", console=Console(stderr=True)) as status:
        yield lambda state: status.update(f"{next(asked)} of {hosts} hosts asked")


def _table(states: list[HostState]) -> str:
    from mrunkit.output import aligned, plain

    header = ("HOST", "OS", "KERNEL", "CPUS", "MEM", "DISK FREE", "MPICH", "SHARE", "DOCKER")
    rows: list[tuple[str, ...]] = [(*header, "SWARM", "IMAGE", "SERVICES")]
    rows += [_row(state) for state in states if state.error is None]
    lines = aligned(rows) if len(rows) > 1 else []
    for state in states:
        if state.error is not None:
            lines += [f"{state.name}: {plain(line)}" for line in state.error.splitlines()]
            lines += [f"  {state.remedy}"] if state.remedy else []
    return "\n".join(lines)


def _row(state: HostState) -> tuple[str, ...]:
    from mrunkit.containers.images import short_id

    services = " ".join(
        name if word == "active" else f"{name}:{word}" for name, word in state.services
    )
    cells = (
        state.os,
        state.kernel,
        state.cpus,
        _gigabytes(state.memory_mb),
        _gigabytes(state.disk_free_mb),
        state.mpich,
        state.share,
        state.docker,
        state.swarm,
        None if state.image is None else short_id(state.image),
        services or None,
    )
    return (state.name, *("-" if cell is None else str(cell) for cell in cells))


def _gigabytes(megabytes: int | None) -> str | None:
    return None if megabytes is None else f"{megabytes / 1024:.1f}G"
