"""Which agents a gang gets. All of its slots are filled, or none.

A slot is the part of a gang on one node; its size is its number of ranks. The sizes
of a gang differ by at most one, and that is what makes one pass over the agents
complete: whenever a placement exists, `place` finds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .job import Policy
from .offers import Candidate
from .resources import Demand


def place(
    sizes: Sequence[int], rank: Demand, candidates: Iterable[Candidate], policy: Policy
) -> tuple[Candidate, ...] | None:
    """Choose a different candidate for each slot, or None if not all can be filled.

    `sizes` holds at most two different values that differ by one. The result is in the
    order of `sizes`.
    """
    filled = fill(sizes, rank, candidates, policy)
    placed = tuple(candidate for candidate in filled if candidate is not None)
    return placed if len(placed) == len(sizes) else None


def fill(
    sizes: Sequence[int], rank: Demand, candidates: Iterable[Candidate], policy: Policy
) -> tuple[Candidate | None, ...]:
    """Fill as many slots as the candidates allow, in the order of `sizes`."""
    large, small = max(sizes), min(sizes)
    large_missing = sum(size == large for size in sizes)
    small_missing = len(sizes) - large_missing
    for_large: list[Candidate] = []
    for_small: list[Candidate] = []
    # One agent at a time is right: an agent with room for a large slot may go to one
    # without a second thought, because whoever fits a large slot also fits a small one,
    # and those who fit a large one are the scarcer kind.
    for fits, candidate in _in_order(candidates, rank, policy):
        if fits >= large and large_missing:
            for_large.append(candidate)
            large_missing -= 1
        elif fits >= small and small_missing:
            for_small.append(candidate)
            small_missing -= 1
        if not (large_missing or small_missing):
            break
    larges, smalls = iter(for_large), iter(for_small)
    return tuple(next(larges if size == large else smalls, None) for size in sizes)


def _in_order(
    candidates: Iterable[Candidate], rank: Demand, policy: Policy
) -> Iterable[tuple[float, Candidate]]:
    """Candidates with the number of ranks that fit, in the order of the policy.

    Room is counted in ranks of this job, so that it has one dimension. Equal candidates
    stay in the order of their offers.
    """
    fitting = ((candidate.available.ranks_that_fit(rank), candidate) for candidate in candidates)
    if policy is Policy.FIRST_FIT:
        return fitting
    return sorted(fitting, key=lambda pair: pair[0], reverse=policy is Policy.WORST_FIT)
