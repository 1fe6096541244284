"""Ranks that find no room for the memory they share."""

from __future__ import annotations

import pytest

from mrunkit.hydra.shared_memory import with_room_told
from mrunkit.hydra.verdict import Verdict

MB = 1 << 20


def test_ranks_that_found_no_room_are_told_of_it() -> None:
    """As seen in a container with Docker's 64 MB, where mpiexec says nothing but 15."""
    told = with_room_told(Verdict(exit_status=15), 3 * MB, ranks=10)
    assert told == Verdict(
        exit_status=15,
        message="ranks were ended by signal 15",
        remedy="/dev/shm, where ranks of one host share memory, had 3 MB free, and 10 ranks take"
        " about 60: see what is left there, or make it larger",
    )


def test_what_mpiexec_says_is_kept() -> None:
    """It tells which host it was."""
    judged = Verdict(exit_status=7, message="a rank on host1 was ended by signal 7 (Bus error)")
    assert with_room_told(judged, 0, ranks=2).message == judged.message


@pytest.mark.parametrize(
    ("status", "room", "ranks"),
    [(0, 0, 10), (3, 0, 10), (15, 60 * MB, 10), (15, None, 10), (15, 0, 0)],
    ids=["no failure", "a status of its own", "enough room", "no /dev/shm", "ranks elsewhere"],
)
def test_other_ends_have_other_reasons(status: int, room: int | None, ranks: int) -> None:
    """A hint that fits every failure is none."""
    judged = Verdict(exit_status=status)
    assert with_room_told(judged, room, ranks) == judged
