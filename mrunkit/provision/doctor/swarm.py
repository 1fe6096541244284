"""Whether all hosts are ready nodes of one swarm. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mrunkit.provision.doctor.facts import Docker, HostFacts, Missing, last_words
from mrunkit.provision.doctor.hosts import Command
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.ssh import Completed

NODES = Command(words=("docker", "node", "ls", "--format", "{{json .}}"))
"""For managers only, as those below."""
ADDRESSES = Command(
    words=(
        *("sh", "-c"),
        'nodes=$(docker node ls -q) && docker node inspect -f "{{.ID}} {{.Status.Addr}}" $nodes',
    ),
    timeout=60,
)
IS_MADE_BY_LAB = Command(
    words=(
        *("sh", "-c"),
        'note=$(cat "$0") && [ "$(docker info -f "made {{.Swarm.Cluster.ID}}")" = "$note" ]',
        "/var/lib/mrunkit/swarm",
    )
)
"""The role swarm notes it on the manager where it made the swarm."""
PORTS = "are TCP 2377 and 7946 and UDP 7946 open between the hosts?"
AGAIN = "mrunkit bootstrap --tags swarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as a manager sees it."""

    node_id: str
    hostname: str
    status: str
    """"Ready", "Down" or "Unknown"."""
    availability: str
    """"Active", "Pause" or "Drain"."""
    manager: str
    """"Leader", "Reachable", "Unreachable"; empty: a worker."""
    address: str
    """By which the managers see it; empty: they do not know."""


def parse_nodes(listed: Completed, addresses: Completed) -> tuple[Node, ...] | Missing:
    """What NODES prints, an object per line, and ADDRESSES."""
    for ended in (listed, addresses):
        if ended.status != 0 and not ended.stdout:
            return Missing(why=last_words(ended))
    by_id = dict(line.split(" ", 1) for line in addresses.stdout.splitlines() if " " in line)
    nodes = [json.loads(line) for line in listed.stdout.splitlines() if line]
    return tuple(
        Node(
            node_id=node["ID"],
            hostname=node["Hostname"],
            status=node["Status"],
            availability=node["Availability"],
            manager=node["ManagerStatus"],
            address=by_id.get(node["ID"], ""),
        )
        for node in nodes
    )


def swarm_problems(
    facts: Mapping[str, HostFacts],
    nodes: tuple[Node, ...] | Missing,
    *,
    managers: Collection[str],
) -> Iterator[Problem]:
    """Hosts that are no ready node of the managers' swarm."""
    if isinstance(nodes, Missing):
        yield Problem(what=f"no manager lists the nodes: {nodes.why}", remedy=AGAIN)
    by_id = {} if isinstance(nodes, Missing) else {node.node_id: node for node in nodes}
    for host, of_host in facts.items():
        docker = of_host.docker
        if isinstance(docker, Missing):
            yield Problem(what=docker.why, remedy="see versions", host=host)
        elif docker.swarm_state != "active":
            reason = f" ({docker.swarm_error})" if docker.swarm_error else ""
            yield Problem(
                what=f"is not in a swarm: {docker.swarm_state}{reason}", remedy=AGAIN, host=host
            )
        elif by_id and docker.node_id not in by_id:
            yield Problem(
                what="is in another swarm, or was removed from this one",
                remedy=f"on the host: docker swarm leave --force; then {AGAIN}",
                host=host,
            )
        elif by_id:
            yield from _node_problems(host, docker, by_id[docker.node_id], host in managers)


def _node_problems(host: str, docker: Docker, node: Node, is_manager: bool) -> Iterator[Problem]:
    if node.status != "Ready":
        yield Problem(what=f"its node is {node.status}", remedy=PORTS, host=host)
    if node.availability != "Active":
        yield Problem(
            what=f"its node is set to {node.availability}",
            remedy=f"on a manager: docker node update --availability active {node.hostname}",
            host=host,
        )
    if is_manager and not docker.is_manager:
        yield Problem(
            what="is no manager",
            remedy=f"on a manager: docker node promote {node.hostname}",
            host=host,
        )
    elif is_manager and node.manager not in ("Leader", "Reachable"):
        yield Problem(what=f"the manager is {node.manager}", remedy=PORTS, host=host)


def strangers(
    facts: Mapping[str, HostFacts],
    nodes: tuple[Node, ...] | Missing,
    *,
    hosts: Collection[str],
    addresses: Collection[str],
) -> list[Node]:
    """Nodes that are none of the hosts, by their ids and addresses.

    A host that was installed anew has two nodes at its address. One that does not tell its id may
    have another address towards managers: there its name counts as well.
    """
    if isinstance(nodes, Missing):
        return []
    ids = {
        host: of_host.docker.node_id
        for host, of_host in facts.items()
        if isinstance(of_host.docker, Docker)
    }
    unseen = set(hosts) - ids.keys()
    return [
        node
        for node in nodes
        if node.node_id not in ids.values()
        and node.address not in ("", *addresses)
        and node.hostname not in unseen
    ]


def stranger_problems(found: Sequence[Node]) -> Iterator[Problem]:
    """Nodes of the lab's own swarm that are none of its hosts."""
    for node in found:
        demoted = f"docker node demote {node.node_id}; " if node.manager else ""
        yield Problem(
            what=f"{node.hostname} ({node.address}) is no host of the lab, but a node of its swarm,"
            " to which that gives the keys of the network of jobs",
            remedy=f"if it is not to be there, on a manager: {demoted}docker node rm --force"
            f" {node.node_id}; docker swarm join-token --rotate worker;"
            " docker swarm join-token --rotate manager",
        )


def swarm_seen(nodes: tuple[Node, ...] | Missing) -> str:
    """How many nodes are ready."""
    if isinstance(nodes, Missing):
        return nodes.why
    ready = sum(node.status == "Ready" for node in nodes)
    managers = [node.hostname for node in nodes if node.manager]
    return f"{ready} of {len(nodes)} nodes ready, managed by {', '.join(managers)}"
