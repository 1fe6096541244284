"""Several agents of one machine, which all have its address."""

from __future__ import annotations

from client import HELLO, RING, Mrunkit
from served import Served

from mrunkit.local.cluster import LocalCluster


def share_address(cluster: LocalCluster) -> None:
    """Let all agents be reached at one address, told apart by nothing but their ids."""
    for agent in cluster.master.ledger.agents.values():
        agent.ip = "127.0.1.1"


def test_agents_may_share_an_address(mrunkit: Mrunkit, cluster: Served) -> None:
    """Each gets its own part of the ranks, and these find each other."""
    cluster.call(share_address)
    ended = mrunkit.run("-N", "4", "-n", "10", cluster.address, HELLO)
    assert (ended.status, len(ended.lines)) == (0, 10), ended
    assert ended.lines[0].startswith("Number of tasks= 10 My rank= 0 ")
    around = mrunkit.run("-N", "4", "-n", "10", cluster.address, RING)
    assert (around.status, around.stdout) == (0, "token is 4500 after 100 rounds over 10 ranks\n")
