"""`mrunkit doctor`: whether a lab works, check by check."""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Collection

    from mrunkit.provision.doctor.verdicts import Check, Verdict
    from mrunkit.provision.lab import Lab

EXIT_STATUSES = """\b
Checks:
  login clocks disk nofile versions ssh share swarm image overlay encryption mtu agents mpi
\b
Exit status:
    0  all that was checked holds
    1  something does not hold, or could not be seen
    2  the command line does not make sense
  125  the inventory cannot be read
  130  Ctrl-C
"""


class DoctorStatus(IntEnum):
    """Exit statuses of `mrunkit doctor` besides those that all commands have."""

    HEALTHY = 0
    """All that was checked holds."""
    FAULTY = 1
    """Something does not hold, or could not be seen."""


def doctor(
    inventory: Annotated[
        Path, typer.Argument(metavar="INVENTORY", help="Of Ansible: inventory.ini.")
    ],
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="CHECK,...", help="Do not make these checks."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK,...", help="Make no others than these, and login."),
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON, when all is seen.")] = False,
) -> None:
    """Look whether a lab works: hosts, share, swarm, encryption, Mesos, and a real MPI job.

    A line per check: pass, fail or skip, what was seen, and what to do. Hosts are looked at
    over ssh, as root; what is made there for it is removed again.
    """
    from mrunkit.provision.lab import read_lab

    wanted = _wanted(only=only or (), skip=skip or ())
    raise typer.Exit(show_examination(read_lab(inventory), wanted, is_json=is_json))


def show_examination(lab: Lab, wanted: Collection[Check], *, is_json: bool = False) -> DoctorStatus:
    """Examine a lab and print the verdicts: as lines, each at once, or as JSON in the end."""
    from mrunkit.output import plain
    from mrunkit.provision.doctor.examine import examine
    from mrunkit.provision.doctor.verdicts import Outcome, lines, to_json

    told: list[Verdict] = []

    def tell(verdicts: list[Verdict]) -> None:
        told.extend(verdicts)
        if not is_json:
            for line in lines(verdicts):
                print(plain(line), flush=True)

    examine(lab, wanted, tell)
    if is_json:
        print(json.dumps([to_json(verdict) for verdict in told]))
    has_fault = any(verdict.outcome is Outcome.FAIL for verdict in told)
    return DoctorStatus.FAULTY if has_fault else DoctorStatus.HEALTHY


def _wanted(*, only: Collection[str], skip: Collection[str]) -> set[Check]:
    from mrunkit.errors import UsageError
    from mrunkit.provision.doctor.verdicts import Check

    checks = {check.value: check for check in Check}
    given = {"--only": only, "--skip": skip}
    asked = {
        flag: [name for text in texts for name in _split(text)] for flag, texts in given.items()
    }
    # Of a variable of the shell that is not set: that does not mean all checks, or none left out.
    empty = [flag for flag, texts in given.items() if not all(map(_split, texts))]
    problems = [f"{flag}: names no check" for flag in empty]
    problems += [
        f"{flag} {name}: there is no such check"
        for flag, names in asked.items()
        for name in names
        if name not in checks
    ]
    if Check.LOGIN.value in asked["--skip"]:
        problems.append("--skip login: all other checks need it")
    if problems:
        raise UsageError("\n".join(problems), remedy=f"the checks are: {' '.join(checks)}")
    wanted = {checks[name] for name in asked["--only"]} or set(Check)
    return wanted - {checks[name] for name in asked["--skip"]}


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
