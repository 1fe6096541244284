"""The scheduler's promises, held against the model of a cluster and all that can happen to it.

The bugs show that the model would notice.
"""

from __future__ import annotations

import pytest
from cluster_machine import ClusterMachine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from wrong_schedulers import BUGS

BOUNDS = settings(
    derandomize=True,
    database=None,
    stateful_step_count=40,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def test_a_gang_keeps_its_promises_whatever_happens() -> None:
    """No order of events makes the scheduler break one of its invariants."""
    run_state_machine_as_test(ClusterMachine, settings=settings(BOUNDS, max_examples=500))


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found(bug: str) -> None:
    """The model notices each of these bugs, so that its silence means something."""

    class Buggy(ClusterMachine):
        step = staticmethod(BUGS[bug])

    bounds = settings(BOUNDS, max_examples=800, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Buggy, settings=bounds)
