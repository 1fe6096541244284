"""`mrunkit teardown`: takes out of the hosts what bootstrap put in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

# Cheap: what costs time is imported where it is used.
from mrunkit.cli.playbook import ExtraVars, Forks, Inventory, Verbose


def teardown(
    inventory: Inventory,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="PATTERN",
            help="Only these hosts or groups, which the others then go on without.",
        ),
    ] = None,
    is_agreed: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    is_share_removed: Annotated[
        bool, typer.Option("--remove-share", help="Remove all files of the share, too.")
    ] = False,
    extra_vars: ExtraVars = None,
    forks: Forks = None,
    verbosity: Verbose = 0,
) -> None:
    """Take out of the hosts what bootstrap put in; the files of the share stay.

    With --limit, the hosts are first drained: they get no new jobs, and what runs there has 5
    minutes to end by itself (-e drain_patience=SECONDS) before it is ended. Take them out of the
    inventory then, and bootstrap the rest once more.
    """
    from mrunkit.cli.playbook import apply_shown, require_hosts, require_variables
    from mrunkit.errors import UsageError
    from mrunkit.output import counted
    from mrunkit.provision.lab import read_lab
    from mrunkit.provision.packaged import playbooks_directory
    from mrunkit.provision.playbooks import PlaybookRun

    require_hosts(limit)
    if limit is not None and is_share_removed:
        raise UsageError("--remove-share is for the whole lab, and goes with no --limit")
    given = tuple(extra_vars or ())
    require_variables(given)
    lab = read_lab(inventory, extra_vars=given)
    if not is_agreed:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked here", remedy="give --yes")
        kept = "with all files in" if is_share_removed else "but for the files in"
        _ask(
            f"Take the lab out of {limit or counted(len(lab.hosts), 'host')}, "
            f"{kept} {lab.settings.share}?"
        )
    # As JSON, in which true is a truth value, not a word.
    share = '{"teardown_remove_share": true}'
    apply_shown(
        PlaybookRun(
            playbook=playbooks_directory() / ("remove-host.yml" if limit else "teardown.yml"),
            inventory=inventory,
            state_dir=lab.settings.state_dir,
            limit=limit,
            extra_vars=(*given, share) if is_share_removed else given,
            forks=forks,
            verbosity=verbosity,
        ),
        lab,
    )


def _ask(question: str) -> None:
    """Go on for a yes only."""
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort as abort:
        # Ctrl-C is a no as well to click, which ends with 1 for it.
        if isinstance(abort.__context__, KeyboardInterrupt):
            print(file=sys.stderr)
            raise KeyboardInterrupt from abort
        raise
