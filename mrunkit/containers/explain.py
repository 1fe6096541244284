"""Docker's failures in words that help: what is wrong, on which side, and what to do.

Pure: texts in, texts out. The texts are Docker's, Mesos' and the kernel's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mrunkit.hydra.proxy import OUT_OF_MEMORY_STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A failure and its remedy."""

    message: str
    remedy: str


def explain_failure(text: str, *, image: str, network: str) -> Explanation | None:
    """Explain what Docker or Mesos said of a container; None if it speaks for itself."""
    for pattern, message, remedy in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            names = {"image": image, "network": network}
            return Explanation(message=message.format(**names), remedy=remedy.format(**names))
    return None


def is_out_of_addresses(text: str) -> bool:
    """Whether Docker says that a network has no address left."""
    return re.search(_NO_ADDRESS_LEFT, text, re.IGNORECASE) is not None


_NO_ADDRESS_LEFT = r"no available (IPv4 |ip )?addresses|could not find an available.*address"

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        rf"exited with status {OUT_OF_MEMORY_STATUS}\b",
        "ran out of memory: the kernel killed a rank that needed more than -m allows",
        "give ranks more with -m, or fewer of them to a node with -N",
    ),
    (
        r"exited with status 137\b",
        "the container was killed from outside (status 137), without having run out of memory",
        "somebody or something on that host sent it SIGKILL",
    ),
    (
        r"pull access denied|repository does not exist|manifest unknown"
        r"|manifest (for .* )?not found",
        "there is no image {image} on the host, nor in its registry",
        "put it there: mrunkit image distribute INVENTORY {image}, or mrunkit image push {image}",
    ),
    (
        r"no such image",
        "there is no image {image} on the host",
        "put it there: mrunkit image distribute INVENTORY {image}",
    ),
    (
        r"docker.{0,60} pull .*(exited|failed)|failed to .*pull|lookup .* no such host"
        r"|net/http: request canceled|i/o timeout|connection refused.*registry",
        "image {image} could not be pulled: the host does not reach its registry",
        "put the image there without a registry: mrunkit image distribute INVENTORY {image}",
    ),
    (
        r"executor.*(did not register|registration timeout|registering)|REGISTRATION_TIMEOUT"
        r"|registration timeout",
        "the container was not up within the agent's executor_registration_timeout",
        "put the image on the host beforehand (mrunkit image distribute), or raise the timeout",
    ),
    (
        _NO_ADDRESS_LEFT,
        "network {network} has no address left for the container",
        "make it with a larger --subnet (a /24 holds about 250 containers, less one per host)",
    ),
    (
        # What a swarm says, after 20 s, of a subnet without a free address, among others.
        r"attaching to network failed|could not attach to network.*context deadline exceeded",
        "network {network} gave the container no address within Docker's 20 s: it has no address "
        "left, its swarm's manager does not answer, or the host is too slow to join it",
        "make it with a larger --subnet (a /24 holds about 250 containers, less one per host); "
        "docker node ls shows the manager; a host that was only slow may do it the next time",
    ),
    (
        r"network .* not found|could not attach to network|network-scoped alias|No such network",
        "the host does not know network {network}",
        "make it attachable and the host a member of its swarm: docker network create "
        "--driver overlay --attachable --opt encrypted {network}",
    ),
    (
        r"no space left on device",
        "the host has no space left for the container",
        "free some there: docker system prune, mrunkit gc",
    ),
    (
        r"permission denied.*docker\.sock|docker\.sock.*permission denied",
        "Docker's socket refuses us",
        "become a member of the group docker (usermod -aG docker USER, then log in again)",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running",
        "Docker does not run on the host",
        "start it: systemctl start docker",
    ),
    (
        r"ContainerConfig|Failed to (parse|create).*(inspect|docker image)|Unable to find 'Config'",
        "the agent does not understand its Docker: Apache Mesos 1.11 fails with 26 and later",
        "install a Docker before 26 there, or the maintained fork of Mesos",
    ),
    (
        r"unable to find user|no matching entries in passwd",
        "the image does not have the user",
        "give numbers: --user UID:GID",
    ),
    (
        r"exited with status 125\s*(\(|$)",
        "Docker on the host refused to run the container (status 125)",
        "the task's stderr on that host says why; an unknown network or option is usual",
    ),
)
