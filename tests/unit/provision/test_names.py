"""How many names are told of many."""

from __future__ import annotations

import pytest

from mrunkit.provision.names import shortened

NAMES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("most", "spare", "expected"),
    [
        (4, 0, "a, b, c, d"),
        (3, 0, "a, b, c and 1 more"),
        (3, 1, "a, b, c, d"),
        (2, 1, "a, b and 2 more"),
    ],
)
def test_what_is_beyond_the_spare_names_is_counted(most: int, spare: int, expected: str) -> None:
    """All of it: as many are named then as without any to spare."""
    assert shortened(NAMES, most=most, spare=spare) == expected
