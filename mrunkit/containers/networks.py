"""The network of a job's containers, as this machine's engine knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.options import ContainerOptions, NetworkMode

if TYPE_CHECKING:
    import docker

GATEWAY_BRIDGE = "docker_gwbridge"
"""Over which containers on an overlay reach their host."""


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
            found = _find(engine, GATEWAY_BRIDGE)
    for config in ((found or {}).get("IPAM") or {}).get("Config") or ():
        if "Gateway" in config:
            return str(config["Gateway"])
    raise EngineError(
        f"containers on network {options.network} cannot reach this host",
        remedy="name an address of this host that they reach: --advertise",
    )


def _find(engine: docker.DockerClient, name: str) -> dict[str, Any] | None:
    """What Docker knows of a network; names may be given twice, the first one counts."""
    found: list[dict[str, Any]] = engine.api.networks(names=[name])
    return next((network for network in found if network["Name"] == name), None)
