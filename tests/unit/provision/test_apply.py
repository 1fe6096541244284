"""What is said of hosts that failed where others did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mrunkit.provision.apply import describe_rest, hosts_to_repeat, name_in_file
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
    assert hosts_to_repeat(ended(failed[::-1], went_on=others)) == failed


@pytest.mark.parametrize(
    ("failed", "went_on"),
    [(["host0"], []), ([], HOSTS)],
    ids=["where one stopped all", "where none failed"],
)
def test_nothing_is_said_of_others(failed: Sequence[str], went_on: Sequence[str]) -> None:
    """A problem of the whole lab is counted as one host's."""
    assert hosts_to_repeat(ended(failed, went_on=went_on)) == []
    assert describe_rest([], None) == []


@pytest.mark.parametrize(
    ("file", "limit"),
    [(None, "host7,host70"), (Path("/my lab/failed"), "'@/my lab/failed', which names them")],
)
def test_how_to_repeat_them_is_told(file: Path | None, limit: str) -> None:
    """As --limit takes it."""
    told = describe_rest(["host7", "host70"], file)
    assert told == [f"the other hosts went on; when these 2 are mended: --limit {limit}"]


def test_many_hosts_are_named_in_a_file(tmp_path: Path) -> None:
    """A line each; where there is no room for it, all are told."""
    file = name_in_file(HOSTS[:21], tmp_path)
    assert file is not None
    assert file.read_text().splitlines() == list(HOSTS[:21])
    assert name_in_file(HOSTS[:21], tmp_path / "gone") is None
