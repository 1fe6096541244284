"""`mrunkit hosts`: what each host of a lab has and runs."""

from __future__ import annotations

import json
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

    states = read_states(read_lab(inventory), connect=connected)
    print(json.dumps([state.to_json() for state in states]) if is_json else _table(states))
    if any(state.error for state in states):
        raise typer.Exit(ExitStatus.FAILED)


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
        None if state.image is None else state.image.removeprefix("sha256:")[:12],
        services or None,
    )
    return (state.name, *("-" if cell is None else str(cell) for cell in cells))


def _gigabytes(megabytes: int | None) -> str | None:
    return None if megabytes is None else f"{megabytes / 1024:.1f}G"
