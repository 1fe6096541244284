"""What `mrunkit doctor` says of itself."""

from __future__ import annotations

from pathlib import Path

from mrunkit.cli.doctor import EXIT_STATUSES
from mrunkit.provision.doctor.verdicts import Check

GUIDE = Path(__file__).parents[3] / "docs" / "doctor.md"


def test_the_help_and_the_guide_name_all_checks_in_their_order() -> None:
    """They are written out there: the help must cost no import, and the guide is prose."""
    checks = [check.value for check in Check]
    (line,) = [line for line in EXIT_STATUSES.splitlines() if line.startswith("  login")]
    rows = [row.split("`")[1] for row in GUIDE.read_text().splitlines() if row.startswith("| `")]
    assert (line.split(), rows) == (checks, checks)
