"""The network of a job's containers, as this machine's engine knows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.options import ContainerOptions, NetworkMode

if TYPE_CHECKING:
    import docker

GATEWAY_BRIDGE = "docker_gwbridge"
"""Over which containers on an overlay reach their host."""
OWN_NETWORK_SECONDS = 10
"""Docker takes half a second."""


def require_network(engine: docker.DockerClient, options: ContainerOptions) -> None:
    """See that mpiexec's container can be on the job's network; raises EngineError.

    A worker of a swarm does not list an overlay before a container uses it, but can use it.
    """
    if options.mode is not NetworkMode.USER:
        return
    with explained(image=options.image, network=options.network):
        found = _find(engine, options.network)
        # Only then: to tell all about itself takes the engine longer than to find a network.
        swarm = engine.info()["Swarm"] if found is None else {}
    if found is None:
        if swarm["LocalNodeState"] == "active" and not swarm["ControlAvailable"]:
            return
        raise EngineError(
            f"there is no network {options.network} on this machine's Docker, "
            "where mpiexec would run",
            remedy="run mrunkit on a member of the network's swarm, make the network there "
            f"(docker network create -d overlay --attachable --opt encrypted {options.network}), "
            "or choose --network host",
        )
    if found["Driver"] == "overlay" and not found["Attachable"]:
        raise EngineError(
            f"network {options.network} is not attachable: only services of the swarm can use it",
            remedy="make it again with --attachable",
        )


def gateway(engine: docker.DockerClient, options: ContainerOptions) -> str:
    """This host's address on the network, or beside it, as containers on it reach it."""
    with explained(image=options.image, network=options.network):
        found = _find(engine, options.network)
        if found is None or found["Driver"] == "overlay":
            found = _await(engine, GATEWAY_BRIDGE)
    address = gateway_address(found or {})
    if address is None:
        raise EngineError(
            f"containers on network {options.network} cannot reach this host",
            remedy="name an address of this host that they reach: --advertise",
        )
    return address


def gateway_address(network: Mapping[str, Any]) -> str | None:
    """The host's address on a bridge, from what Docker tells of the network; None if there is none.

    Of a bridge that it has made with an address of its own choice, as docker0 at the engine's first
    start, Docker does not tell it: it is the subnet's first.
    """
    for config in (network.get("IPAM") or {}).get("Config") or ():
        if "Gateway" in config:
            return str(config["Gateway"])
        if network.get("Driver") == "bridge" and "." in config.get("Subnet", ""):
            return str(next(IPv4Network(config["Subnet"]).hosts()))
    return None


def _await(engine: docker.DockerClient, name: str) -> dict[str, Any] | None:
    """A network that Docker makes by itself, soon after this host has joined a swarm."""
    found = _find(engine, name)
    if found is not None:
        return found
    now = int(time.time())
    events = engine.api.events(
        since=now - OWN_NETWORK_SECONDS,
        until=now + OWN_NETWORK_SECONDS,
        filters={"type": "network", "event": "create"},
    )
    with contextlib.closing(events):
        found_later = (_find(engine, name) for _ in events)
        return next((network for network in found_later if network is not None), None)


def _find(engine: docker.DockerClient, name: str) -> dict[str, Any] | None:
    """What Docker knows of a network; names may be given twice, the first one counts."""
    found: list[dict[str, Any]] = engine.api.networks(names=[name])
    return next((network for network in found if network["Name"] == name), None)
