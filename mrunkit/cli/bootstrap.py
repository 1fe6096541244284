"""`mrunkit bootstrap`: from bare hosts to a lab that is proven to work."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# Cheap: what costs time is imported where it is used.
from mrunkit.cli.playbook import ExtraVars, Forks, Inventory, Verbose

if TYPE_CHECKING:
    from mrunkit.provision.lab import Lab
    from mrunkit.provision.playbooks import PlaybookRun

ANSIBLE_TAGS = ("all", "tagged", "untagged", "always", "never")
"""That mean something to Ansible in any playbook. Source: its guide, Tags."""
EXIT_STATUSES = """\b
Exit status:
    0  the lab is made, and doctor found nothing wrong; with --check, --tags or --no-doctor,
       nothing failed, and doctor has not looked
    1  the lab is made, and doctor found something wrong
    2  the command line does not make sense
  125  it could not be made; what failed is told
  130  Ctrl-C (143: SIGTERM, 129: its terminal was closed); to go on, run it again
"""


def bootstrap(
    inventory: Inventory,
    is_check: Annotated[
        bool, typer.Option("--check", help="Change nothing; tell what would be changed.")
    ] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="PATTERN",
            help="Only these hosts or groups; of new ones the others learn, too.",
        ),
    ] = None,
    tags: Annotated[
        str | None,
        typer.Option("--tags", metavar="STEPS", help="Only these steps, such as nfs,docker."),
    ] = None,
    extra_vars: ExtraVars = None,
    forks: Forks = None,
    verbosity: Verbose = 0,
    is_without_doctor: Annotated[
        bool, typer.Option("--no-doctor", help="Do not prove the lab afterwards.")
    ] = False,
) -> None:
    """Make a lab of the inventory's hosts, then prove with `mrunkit doctor` that it works.

    A second run changes nothing; after one that was cut off it goes through all steps again, and
    does what is left.
    """
    from mrunkit.cli.playbook import apply_shown, require_hosts, require_variables
    from mrunkit.output import PREFIX
    from mrunkit.provision.lab import read_lab
    from mrunkit.provision.packaged import playbooks_directory
    from mrunkit.provision.playbooks import PlaybookRun

    playbook = playbooks_directory() / "site.yml"
    require_hosts(limit)
    _require_steps(tags, playbook)
    given = tuple(extra_vars or ())
    require_variables(given)
    lab = read_lab(inventory, extra_vars=given)
    run = PlaybookRun(
        playbook=playbook,
        inventory=inventory,
        state_dir=lab.settings.state_dir,
        is_check=is_check,
        limit=limit,
        tags=tags,
        extra_vars=given,
        forks=forks,
        verbosity=verbosity,
    )
    _teach(run, lab)
    apply_shown(run, lab)
    if is_check or is_without_doctor:
        return
    if tags is not None:
        named = shlex.quote(str(inventory))
        print(f"{PREFIX}only some steps were run: see mrunkit doctor {named}", file=sys.stderr)
        return
    # Read again: bootstrap has found the hosts' addresses.
    _prove(read_lab(inventory, extra_vars=given))
    print(f"{PREFIX}it works; try{_first_job(lab, inventory)}", file=sys.stderr)


def _teach(run: PlaybookRun, lab: Lab) -> None:
    """Have all hosts learn of those that are new, where the run itself leaves some out."""
    from mrunkit.cli.playbook import apply_shown
    from mrunkit.inventory import read_inventory
    from mrunkit.output import PREFIX
    from mrunkit.provision.newcomers import keep_known, learning_run, read_known
    from mrunkit.provision.state_dir import ProvisionError

    if run.limit is None or run.tags is not None:
        return
    limited_to = {host.name for host in read_inventory(run.inventory, limit=run.limit)}
    known = read_known(run.state_dir)
    learning = learning_run(run, lab, limited_to=limited_to, known=known)
    if learning is None:
        return
    print(f"{PREFIX}first all hosts learn of those that are new", file=sys.stderr)
    apply_shown(learning, lab)
    if run.is_check:
        return
    try:
        keep_known(run.state_dir, known | limited_to)
    except OSError as error:
        raise ProvisionError(
            f"cannot keep in {run.state_dir} that all hosts know the new ones: {error.strerror}",
            remedy="run this again when that is mended",
        ) from error


def _require_steps(tags: str | None, playbook: Path) -> None:
    """Refuse what names no step: Ansible would do nothing and call it done, or do all."""
    from mrunkit.errors import UsageError
    from mrunkit.provision.apply import read_steps, read_tags

    if tags is None:
        return
    names = [name.strip() for name in tags.split(",") if name.strip()]
    steps = read_steps(playbook)
    known = {*steps, *read_tags(playbook), *ANSIBLE_TAGS}
    problems = [f"--tags {name}: there is no such step" for name in names if name not in known]
    if problems or not names:
        raise UsageError(
            "\n".join(problems) or "--tags: names no step",
            remedy=f"the steps are: {' '.join(steps)}",
        )


def _first_job(lab: Lab, inventory: Path) -> str:
    """Where and how to start one; jobs in containers start where the share is."""
    where, described = "", shlex.quote(str(inventory))
    if lab.settings.image is not None and not Path(lab.settings.share).is_dir():
        where, described = f", on {lab.masters[0].name}", lab.client_inventory
    return f"{where}: mrunkit run -i {described} -N {len(lab.agents)} PROGRAM"


def _prove(lab: Lab) -> None:
    """Let doctor look, also at the hosts that --limit left out: they are of one lab."""
    from mrunkit.cli.doctor import DoctorStatus, show_examination
    from mrunkit.provision.doctor.verdicts import Check

    if show_examination(lab, set(Check)) is not DoctorStatus.HEALTHY:
        raise typer.Exit(DoctorStatus.FAULTY)
