"""Names of hosts, and of what they have, for a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(names: Sequence[str], *, most: int, spare: int = 0) -> str:
    """The first `most` names and how many more there are: `host1, host2 and 496 more`.

    No more than `spare` beyond those are named as well: to count them is no shorter.
    """
    if len(names) <= most + spare:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
