"""A task's container as Mesos' docker containerizer takes it.

Pure. Owns which options a task's container has; the containerizer passes them to `docker
run` as they are.
Source: mesos.proto, `ContainerInfo.DockerInfo`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from mrunkit.containers.limits import Limits
from mrunkit.containers.options import (
    ROLE_LABEL,
    SHARE_IN_CONTAINER,
    ContainerOptions,
    NetworkMode,
)

CPU_PERIOD = 100_000
"""Microseconds; Docker's own default."""


def container_info(
    options: ContainerOptions,
    *,
    image: str,
    share: str,
    labels: Mapping[str, str],
    hostname: str,
    limits: Limits,
    cpus: float,
    mem: float,
) -> dict[str, Any]:
    """The ContainerInfo of a task with `cpus` and `mem` MB; `image` is pinned if it can be.

    Mesos itself sets --memory and --cpu-shares; a quota makes of the share a limit.
    """
    parameters = [
        ("init", "true"),
        ("user", options.user),
        ("cap-drop", "ALL"),
        ("security-opt", "no-new-privileges"),
        ("shm-size", options.shm_size),
        ("ulimit", f"memlock={limits.memlock}:{limits.memlock}"),
        ("ulimit", f"nofile={limits.nofile}:{limits.nofile}"),
        *(("label", f"{key}={value}") for key, value in {**labels, ROLE_LABEL: "task"}.items()),
        ("cpu-period", str(CPU_PERIOD)),
        ("cpu-quota", str(round(cpus * CPU_PERIOD))),
        ("memory", f"{round(mem)}m"),
        # As much again would be swap, which a job that computes is better off without.
        ("memory-swap", f"{round(mem)}m"),
    ]
    # A name that is an address would tell the container the host's address as its own.
    if options.mode is not NetworkMode.HOST and not _is_address(hostname):
        parameters.append(("hostname", hostname))
    if options.gpus is not None:
        parameters.append(("gpus", options.gpus))
    parameters += options.parameters
    info: dict[str, Any] = {
        "type": "DOCKER",
        "volumes": [volume_info(volume) for volume in volumes(options, share)],
        "docker": {
            "image": image,
            "network": options.mode.value,
            "force_pull_image": False,
            "privileged": False,
            "parameters": [{"key": key, "value": value} for key, value in parameters],
        },
    }
    if options.mode is NetworkMode.USER:
        info["network_infos"] = [{"name": options.network}]
    return info


def volumes(options: ContainerOptions, share: str) -> list[str]:
    """All mounts as HOST:CONTAINER:MODE, the share first."""
    given = [text if text.count(":") == 2 else f"{text}:rw" for text in options.volumes]
    return [f"{share}:{SHARE_IN_CONTAINER}:rw", *given]


def volume_info(volume: str) -> dict[str, str]:
    """One mount as a Volume of mesos.proto."""
    host_path, container_path, mode = volume.split(":")
    return {"host_path": host_path, "container_path": container_path, "mode": mode.upper()}


def _is_address(hostname: str) -> bool:
    try:
        ipaddress.ip_address(hostname)
    except ValueError:
        return False
    return True
