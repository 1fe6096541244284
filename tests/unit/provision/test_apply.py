"""What is said of hosts that failed where others did not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mrunkit.provision.apply import describe_rest
from mrunkit.provision.progress import Failure, Progress, Status

HOSTS = tuple(f"host{index}" for index in range(500))


def ended(failed: Sequence[str], *, went_on: Sequence[str]) -> Progress:
    """A run in which hosts failed in docker, of whom Ansible counts as many as it does."""
    failures = [
        Failure(host=host, step="docker", task="Start", action="command", result={})
        for host in failed
    ]
    return Progress(
        steps=("validate", "docker", "swarm"),
        hosts=HOSTS,
        cells={
            "docker": dict.fromkeys(HOSTS, Status.OK) | dict.fromkeys(failed, Status.FAILED),
            "swarm": dict.fromkeys(went_on, Status.OK),
        },
        failures=tuple(failures),
        lost=frozenset(failed),
    )


def test_hosts_that_failed_alone_can_be_repeated_alone() -> None:
    """The others need not go through all of it again: of 500, that is an hour."""
    failed = ["host7", "host70"]
    others = [host for host in HOSTS if host not in failed]
    assert describe_rest(ended(failed, went_on=others)) == [
        "498 other hosts went on; when these are mended: --limit host7,host70"
    ]


@pytest.mark.parametrize(
    ("failed", "went_on"),
    [
        (["host0"], []),
        (HOSTS[:21], HOSTS[21:]),
        ([], HOSTS),
    ],
    ids=["where one stopped all", "where they are many", "where none failed"],
)
def test_nothing_is_said_of_others(failed: Sequence[str], went_on: Sequence[str]) -> None:
    """A problem of the whole lab is counted as one host's; and a whole run is not much longer."""
    assert describe_rest(ended(failed, went_on=went_on)) == []
