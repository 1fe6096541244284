"""What the commands that run a playbook have in common: options and display."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mrunkit.provision.lab import Lab
    from mrunkit.provision.playbooks import PlaybookRun

Inventory = Annotated[
    Path, typer.Argument(metavar="INVENTORY", help="Of the lab; `mrunkit init` writes one.")
]
Forks = Annotated[
    int | None,
    typer.Option("--forks", metavar="N", min=1, help="Hosts at a time.  [default: 50]"),
]
ExtraVars = Annotated[
    list[str] | None,
    typer.Option(
        "-e",
        "--extra-vars",
        metavar="VARS",
        help="NAME=VALUE or @FILE, which win over the inventory; repeatable.",
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v", "--verbose", count=True, help="Show all that Ansible prints; -vv makes it say more."
    ),
]


def require_hosts(limit: str | None) -> None:
    """Refuse an empty --limit, as of a variable that is not set: Ansible takes all hosts."""
    from mrunkit.errors import UsageError

    if limit is not None and not limit.strip(" ,:"):
        raise UsageError("--limit: names no host")


def require_variables(extra_vars: Sequence[str]) -> None:
    """Refuse a -e that Ansible would ignore, or blame the inventory for."""
    from mrunkit.errors import UsageError

    for text in extra_vars:
        if text.startswith("@"):
            if not Path(text[1:]).is_file():
                raise UsageError(f"-e {text}: there is no file {text[1:]}")
        elif "=" not in text and not text.startswith(("{", "[")):
            raise UsageError(f"-e {text}: sets nothing", remedy="write NAME=VALUE, or @FILE")


def apply_shown(run: PlaybookRun, lab: Lab) -> None:
    """Apply a playbook to a lab, showing how it goes on stderr."""
    from datetime import datetime

    from mrunkit.cli.progress import watcher
    from mrunkit.ending_signals import EndedBySignal, ended_by_signals
    from mrunkit.output import PREFIX, plain
    from mrunkit.provision.apply import apply
    from mrunkit.provision.table import describe_end
    from mrunkit.settings import read_settings

    settings = read_settings()
    try:
        with (
            ended_by_signals(),
            watcher(
                sys.stderr, is_terminal=settings.is_terminal, is_verbose=run.verbosity > 0
            ) as shown,
        ):
            applied = apply(run, lab, settings.environ, shown, now=datetime.now().astimezone())
    except (KeyboardInterrupt, EndedBySignal):
        with contextlib.suppress(OSError):  # of a terminal that was closed
            print(f"{PREFIX}interrupted; to go on, run it again", file=sys.stderr, flush=True)
        raise
    for warning in applied.warnings:
        print(f"{PREFIX}warning: {plain(warning)}", file=sys.stderr)
    print(f"{PREFIX}{describe_end(applied.progress)}; log: {applied.log}", file=sys.stderr)
