"""What `mrunkit doctor` says of itself, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.cli.doctor import EXIT_STATUSES, doctor
from mrunkit.errors import UsageError
from mrunkit.provision.doctor.verdicts import Check

GUIDE = Path(__file__).parents[3] / "docs" / "doctor.md"


def test_the_help_and_the_guide_name_all_checks_in_their_order() -> None:
    """They are written out there: the help must cost no import, and the guide is prose."""
    checks = [check.value for check in Check]
    (line,) = [line for line in EXIT_STATUSES.splitlines() if line.startswith("  login")]
    rows = [row.split("`")[1] for row in GUIDE.read_text().splitlines() if row.startswith("| `")]
    assert (line.split(), rows) == (checks, checks)


@pytest.mark.parametrize(
    ("only", "skip", "told"),
    [
        ([""], None, "--only: names no check"),
        ([" , "], None, "--only: names no check"),
        (None, [""], "--skip: names no check"),
        (["mpi", ""], ["", "ssh"], "--only: names no check\n--skip: names no check"),
        (["mpi,"], ["sssh"], "--skip sssh: there is no such check"),
    ],
)
def test_what_names_no_check_is_not_taken_for_all(
    only: list[str] | None, skip: list[str] | None, told: str
) -> None:
    """A variable of the shell that is not set; nothing is looked at, and no inventory read."""
    with pytest.raises(UsageError) as raised:
        doctor(Path("no-inventory"), only=only, skip=skip)
    assert str(raised.value) == told
    assert "the checks are: login clocks" in str(raised.value.remedy)
