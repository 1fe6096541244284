"""Ranks come to life where the placement wants them, on exactly so many hosts."""

from __future__ import annotations

from collections import Counter

import pytest
from client import HELLO, RING, Ended, Mrunkit
from this_machine import needs_host_names


def hosts_by_rank(ended: Ended) -> list[str]:
    """Where each rank said that it runs, in the order of ranks."""
    assert (ended.status, len(ended.lines)) == (0, ended.stdout.count("\n")), ended
    said = [line.split() for line in ended.lines]
    return [host for _, host in sorted((int(words[6]), words[9]) for words in said)]


@needs_host_names
def test_ten_ranks_on_four_hosts(mrunkit: Mrunkit) -> None:
    """10 on 4 are 3, 3, 2 and 2, in turn; each host has its own name."""
    ended = mrunkit.run("-N", "4", "-n", "10", "local", HELLO)
    hosts = hosts_by_rank(ended)
    assert hosts == [f"host{rank % 4 + 1}" for rank in range(10)]
    assert "offers collected 4/4: host1 host2 host3 host4\n" in ended.stderr
    assert "proxies running 4/4\n" in ended.stderr
    assert "MPI started\n" in ended.stderr
    assert "exit status 0 after" in ended.stderr


@needs_host_names
def test_ranks_in_blocks(mrunkit: Mrunkit) -> None:
    """--distribution block fills one host after the other."""
    ended = mrunkit.run("-N", "4", "-n", "10", "--distribution", "block", "local", HELLO)
    assert hosts_by_rank(ended) == [f"host{number}" for number in (1, 1, 1, 2, 2, 2, 3, 3, 4, 4)]


@needs_host_names
def test_one_rank(mrunkit: Mrunkit) -> None:
    """What nothing is said about is one."""
    ended = mrunkit.run("local", HELLO)
    assert ended.stdout == "Number of tasks= 1 My rank= 0 Running on host1\n"


@needs_host_names
def test_many_hosts(mrunkit: Mrunkit) -> None:
    """Sixteen hosts with two ranks each."""
    hosts = hosts_by_rank(mrunkit.run("-N", "16", "-n", "32", "local:16x2", HELLO))
    assert Counter(hosts) == {f"host{number + 1}": 2 for number in range(16)}


@needs_host_names
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--hosts", "host3,host1"), {"host1", "host3"}),
        (("--exclude", "host1", "--exclude", "host2"), {"host3", "host4"}),
    ],
)
def test_hosts_can_be_chosen(mrunkit: Mrunkit, words: tuple[str, ...], expected: set[str]) -> None:
    """--hosts and --exclude are kept to."""
    assert set(hosts_by_rank(mrunkit.run("-N", "2", *words, "local", HELLO))) == expected


def test_ranks_talk_to_each_other(mrunkit: Mrunkit) -> None:
    """A message goes around through all hosts."""
    ended = mrunkit.run("-N", "4", "-n", "8", "local", RING)
    assert (ended.status, ended.stdout) == (0, "token is 2800 after 100 rounds over 8 ranks\n")
