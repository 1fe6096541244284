"""What is said of hosts that failed where others did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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


def test_hosts_that_failed_alone_can_be_repeated_alone(tmp_path: Path) -> None:
    """The others need not go through all of it again: of 500, that is an hour."""
    failed = ["host7", "host70"]
    others = [host for host in HOSTS if host not in failed]
    assert describe_rest(ended(failed, went_on=others), tmp_path) == [
        "498 other hosts went on; when these are mended: --limit host7,host70"
    ]
    assert list(tmp_path.iterdir()) == []


def test_many_hosts_are_named_in_a_file(tmp_path: Path) -> None:
    """As --limit takes them: a line each, in the inventory's order."""
    state_dir = tmp_path / "my lab"
    state_dir.mkdir()
    (told,) = describe_rest(ended(HOSTS[30:9:-1], went_on=[*HOSTS[:10], *HOSTS[31:]]), state_dir)
    file = state_dir / "hosts-to-repeat"
    assert told == (
        f"479 other hosts went on; when these 21 are mended: --limit '@{file}', which names them"
    )
    assert file.read_text().splitlines() == list(HOSTS[10:31])


def test_many_hosts_are_told_where_there_is_no_room_for_a_file(tmp_path: Path) -> None:
    """However long that is: nothing else knows them."""
    nowhere = tmp_path / "gone"
    (told,) = describe_rest(ended(HOSTS[:21], went_on=HOSTS[21:]), nowhere)
    assert told.endswith(f"--limit {','.join(HOSTS[:21])}")


@pytest.mark.parametrize(
    ("failed", "went_on"),
    [(["host0"], []), ([], HOSTS)],
    ids=["where one stopped all", "where none failed"],
)
def test_nothing_is_said_of_others(
    tmp_path: Path, failed: Sequence[str], went_on: Sequence[str]
) -> None:
    """A problem of the whole lab is counted as one host's."""
    assert describe_rest(ended(failed, went_on=went_on), tmp_path) == []
