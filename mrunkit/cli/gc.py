"""`mrunkit gc`: removing what a crash of the machine left of jobs in containers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mrunkit.containers.options import SHARE_IN_CONTAINER

if TYPE_CHECKING:
    import docker

    from mrunkit.containers.gc import Belonging


def gc(
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    shares: Annotated[
        list[Path] | None,
        typer.Option(
            "--share",
            metavar="DIR",
            help=f"Look for staged files there too, not only in {SHARE_IN_CONTAINER}; repeatable.",
        ),
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Remove containers, networks, volumes and files of jobs and local clusters that are over.

    They clean up after themselves; this is for what a crash of the machine or of Docker left,
    or a cluster that was killed. Nothing of a job that may still run is touched.
    """
    import time

    from mrunkit.containers.engine import EngineError, connect
    from mrunkit.containers.gc import find_belongings, is_leftover
    from mrunkit.errors import ExitStatus
    from mrunkit.output import say_error
    from mrunkit.settings import read_settings

    looked_at = shares_to_look_at(shares or [])
    hostname = read_settings().hostname
    try:
        engine = connect()
    except EngineError as error:  # a local cluster leaves files where there is no Docker, too
        engine = None
        say_error(EngineError(f"looked for files only: {error}", remedy=error.remedy))
    found = find_belongings(engine, looked_at, now=time.time())
    entries = [
        {
            "kind": belonging.kind.value,
            "name": belonging.name,
            "job": belonging.job_id,
            "error": None if is_dry_run else _remove(engine, belonging),
        }
        for belonging in found
        if is_leftover(belonging, hostname=hostname)
    ]
    if is_json:
        print(json.dumps(entries))
    else:
        print(_table(entries, is_dry_run=is_dry_run))
    if any(entry["error"] for entry in entries):
        raise typer.Exit(ExitStatus.FAILED)


def shares_to_look_at(asked: Sequence[Path]) -> list[Path]:
    """The usual share, if it is there or not, and those asked for; raises UsageError."""
    from mrunkit.errors import UsageError

    wrong = [
        f"--share {share}: there is no such directory" for share in asked if not share.is_dir()
    ]
    if wrong:
        raise UsageError("\n".join(wrong))
    found: dict[Path, Path] = {}
    for share in [Path(SHARE_IN_CONTAINER), *asked]:
        found.setdefault(share.resolve(), share)  # it may be named twice, or by a link
    return list(found.values())


def _remove(engine: docker.DockerClient | None, belonging: Belonging) -> str | None:
    """Why it could not be removed, if it could not."""
    from mrunkit.containers.gc import RemovalError, remove

    try:
        remove(engine, belonging)
    except RemovalError as error:
        return str(error)
    return None


def _table(entries: list[dict[str, Any]], *, is_dry_run: bool) -> str:
    from mrunkit.output import aligned

    if not entries:
        return "nothing is left of any job"
    done = "would be removed" if is_dry_run else "removed"
    rows: list[tuple[str, ...]] = [("KIND", "NAME", "JOB", "STATE")]
    rows += [
        (entry["kind"], entry["name"], entry["job"], entry["error"] or done) for entry in entries
    ]
    return "\n".join(aligned(rows))
