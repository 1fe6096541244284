"""What containers on different hosts are to each other: reached, unreadable, whole. Pure.

The experiment: a container on each host, pings between them with a marker in each, and on
each host a look at what leaves for the others meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mrunkit.containers.explain import is_out_of_addresses
from mrunkit.provision.doctor.facts import last_words
from mrunkit.provision.doctor.hosts import Command
from mrunkit.provision.doctor.verdicts import Problem, named
from mrunkit.ssh import Completed

LABEL = "mrunkit.doctor"
"""On every container of a doctor: its run."""
CONTAINER_SECONDS = 900
"""After which a container ends by itself."""
SLOW_STARTS = 3
"""How often containers are started again for which Docker waited in vain."""
SLOW_START_TURNS = 4
"""In how many turns the hosts do so, one after the other."""
ALL_PAIRS_UP_TO = 8
"""Hosts; above, each one pings the next."""
PING_SECONDS = 10.0
"""For the first packet, which waits for the swarm's gossip."""
AGAIN = "mrunkit bootstrap --tags swarm"

CANNOT_BE_SEEN = Problem(what="cannot be seen: no packet gets through", remedy="see overlay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The overlay network, as a manager has it."""

    driver: str
    is_attachable: bool
    is_encrypted: bool
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of ours on a host."""

    pid: int
    address: str
    """On the overlay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged:
    """What a container's pings came to."""

    mtu: int
    small: frozenset[str]
    """Hosts that replied."""
    full: frozenset[str]
    """Hosts that replied to a packet of the MTU's size."""
    error: str | None = None
    """The kernel's, for large packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What left a host for another while there were pings."""

    esp: int = 0
    plain: int = 0
    """Packets in which our marker could be read."""
    fragments: int = 0


Path = tuple[str, str]
"""From a host to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """All that was seen."""

    network: Network
    paths: tuple[Path, ...]
    pinged: Mapping[str, Pinged]
    seen: Mapping[Path, Seen]

    @property
    def reached(self) -> list[Path]:
        """The paths on which a small packet came and went."""
        return [(a, b) for a, b in self.paths if a in self.pinged and b in self.pinged[a].small]


def inspect_command(network: str) -> Command:
    """For managers: workers know a network only while they use it."""
    return Command(words=("docker", "network", "inspect", network))


def parse_network(inspected: Completed) -> Network | None:
    """What `docker network inspect` prints; None: there is no such network."""
    if inspected.status != 0:
        return None
    (told,) = json.loads(inspected.stdout)
    return Network(
        driver=told["Driver"],
        is_attachable=told["Attachable"],
        # Set with an empty value, which means that it is.
        is_encrypted=(told["Options"] or {}).get("encrypted", "false") != "false",
        subnets=tuple(config["Subnet"] for config in told["IPAM"]["Config"] or ()),
    )


def network_problems(name: str, network: Network | None, *, subnet: str) -> Iterator[Problem]:
    """A network that is not there, or was created otherwise than the inventory says."""
    if network is None:
        yield Problem(what=f"the swarm has no network {name}", remedy=AGAIN)
        return
    if network.driver != "overlay" or not network.is_attachable:
        kind = f"attachable {network.driver}" if network.is_attachable else network.driver
        yield Problem(what=f"{name} is no attachable overlay, but {kind}", remedy=_anew(name))
    if subnet not in network.subnets:
        has = named(network.subnets) or "none"
        yield Problem(what=f"{name} has the subnet {has}, not {subnet}", remedy=_anew(name))


def _anew(network: str) -> str:
    return f"when no job uses it, on a manager: docker network rm {network}; then {AGAIN}"


def tidy_command() -> Command:
    """Remove what is not running any more of doctors whose host crashed."""
    listed = f"docker ps -aq -f label={LABEL} -f status=exited -f status=dead"
    return Command(words=("sh", "-c", f"{listed} | xargs -r docker rm -f"))


def start_command(run: str, *, network: str, image: str) -> Command:
    """Start a container that only waits."""
    docker = ("docker", "run", "--detach", "--rm", "--pull", "never", "--network", network)
    named_so = ("--name", _name(run), "--label", f"{LABEL}={run}")
    what = ("--entrypoint", "sleep", image, str(CONTAINER_SECONDS))
    return Command(words=(*docker, *named_so, *what), timeout=120)


def where_command(run: str, *, network: str) -> Command:
    """Ask for the process id of a container, and its address."""
    address = f'(index .NetworkSettings.Networks "{network}").IPAddress'
    shown = f"{{{{.State.Pid}}}} {{{{{address}}}}}"
    return Command(words=("docker", "inspect", "--format", shown, _name(run)))


def remove_command(run: str) -> Command:
    """Remove a container, there or not."""
    return Command(words=("docker", "rm", "--force", _name(run)), timeout=60)


def _name(run: str) -> str:
    return f"mrunkit-doctor-{run}"


def parse_container(started: Completed, where: Completed) -> Container | Problem:
    """The container, or why it does not run."""
    if started.status != 0:
        return _refused(started)
    pid, _, address = where.stdout.strip().partition(" ")
    if not pid.isdecimal() or pid == "0" or not address:
        return Problem(
            what="its container has ended at once",
            remedy="does the image run there? docker run --rm --entrypoint sleep IMAGE 1",
        )
    return Container(pid=int(pid), address=address)


def is_out_of_time(started: Completed) -> bool:
    """Whether Docker gave up after its 20 s, in which manager and host must have made the network.

    What a host had made of it by then is taken down again, so that the next try begins anew.
    """
    return started.status != 0 and "context deadline exceeded" in started.stderr


def starts_at_a_time(slow: int) -> int:
    """On how many hosts to start at once, of those that were too slow when all did.

    Hosts that share a machine, as those of a lab in QEMU do, are faster by themselves; and so is
    a manager that few ask.
    """
    return -(-slow // SLOW_START_TURNS)


def _refused(started: Completed) -> Problem:
    said = next((line for line in started.stderr.splitlines() if "docker: " in line), "")
    said = said.rpartition("Error response from daemon: ")[2] or last_words(started)
    remedy = "see on the host: journalctl -u docker"
    if "No such image" in said:
        remedy = "see image"
    elif "executable file not found" in said:
        remedy = "use an image that has sleep"
    elif is_out_of_addresses(said):
        remedy = (
            "all addresses of the network are taken: end what uses it, or give it more"
            f" (lab_network_subnet): {_anew('NETWORK')}"
        )
    elif "attach" in said or "context deadline exceeded" in said:
        # A swarm says no more than that of a network without an address.
        or_full = ", and has the network an address left" if is_out_of_time(started) else ""
        remedy = (
            f"does the host reach a manager (see swarm){or_full}? else see there what Docker says"
            " (journalctl -u docker), and try: systemctl restart docker"
        )
    return Problem(what=f"no container starts: {said}", remedy=remedy)


def paths_between(hosts: Sequence[str]) -> tuple[Path, ...]:
    """Every pair both ways; a ring where that would be many."""
    if len(hosts) <= ALL_PAIRS_UP_TO:
        return tuple((a, b) for a in hosts for b in hosts if a != b)
    return tuple(zip(hosts, [*hosts[1:], hosts[0]], strict=True))


def parse_pinged(told: Mapping[str, Any], host_by_address: Mapping[str, str]) -> Pinged:
    """What the probe says of its pings."""
    return Pinged(
        mtu=told["mtu"],
        small=frozenset(host_by_address[address] for address in told["small"]),
        full=frozenset(host_by_address[address] for address in told["full"]),
        error=next(iter(told["errors"].values()), None),
    )


def parse_seen(
    source: str, told: Sequence[Mapping[str, Any]], host_by_address: Mapping[str, str]
) -> dict[Path, Seen]:
    """What the probe on a host says that it has seen leave."""
    seen: dict[Path, Seen] = {}
    for counts in told:
        path = (source, host_by_address[counts["target"]])
        before = seen.get(path, Seen())
        seen[path] = Seen(
            esp=before.esp + counts["esp"],
            plain=before.plain + counts["plain"],
            fragments=before.fragments + counts["fragments"],
        )
    return seen


def overlay_problems(experiment: Experiment) -> Iterator[Problem]:
    """Hosts whose containers do not reach others, with what the wire says of why."""
    reached = set(experiment.reached)
    lost = [path for path in experiment.paths if path not in reached]
    if not lost:
        return
    if not reached:
        what = "no packet gets from a container to one on another host"
        yield Problem(what=what, remedy=_overlay_remedy(experiment, lost))
        return
    for source in dict.fromkeys(source for source, _ in lost):
        unreached = [path for path in lost if path[0] == source]
        yield Problem(
            what=f"containers do not reach those on {named([b for _, b in unreached])}",
            remedy=_overlay_remedy(experiment, unreached),
            host=source,
        )


def _overlay_remedy(experiment: Experiment, lost: Sequence[Path]) -> str:
    if not experiment.network.is_encrypted:
        return "are UDP 4789 and TCP and UDP 7946 open between the hosts?"
    if any(experiment.seen.get(path, Seen()).esp for path in lost):
        return "encrypted packets leave, but do not come: is IP protocol 50 (ESP) let through?"
    return (
        "nothing leaves for them: has the kernel ESP (modprobe esp4), are TCP and UDP 7946 open? "
        "see on the host: journalctl -u docker"
    )


def absent_problems(experiment: Experiment, hosts: Sequence[str]) -> Iterator[Problem]:
    """Hosts of which nothing can be seen; why not, overlay has told."""
    for host in hosts:
        if host not in experiment.pinged:
            yield Problem(what="cannot be seen: no container", remedy="see overlay", host=host)


def encryption_problems(experiment: Experiment, network: str) -> Iterator[Problem]:
    """Paths on which our packets could be read, or were not seen encrypted."""
    read = sum(seen.plain for seen in experiment.seen.values())
    if not experiment.network.is_encrypted:
        what = f"{network} was created without encryption: {read} packets of ours could be read"
        yield Problem(what=what, remedy=_anew(network))
        return
    if experiment.paths and not experiment.reached:
        yield CANNOT_BE_SEEN
        return
    reached = set(experiment.reached)
    for source, target in experiment.paths:
        seen = experiment.seen.get((source, target), Seen())
        if seen.plain:
            yield Problem(
                what=f"what containers say to those on {target} can be read on the wire",
                remedy="restart docker there; does `ip xfrm policy` name the other host then?",
                host=source,
            )
        elif (source, target) not in reached:
            yield Problem(what=f"cannot be seen to {target}", remedy="see overlay", host=source)
        elif not seen.esp:
            yield Problem(
                what=f"packets get to {target}, but none was seen to leave encrypted",
                remedy="does the swarm use another address? see docker info: Node Address",
                host=source,
            )


def encryption_seen(experiment: Experiment) -> str:
    """How much was seen."""
    packets = sum(seen.esp for seen in experiment.seen.values())
    paths = len(experiment.paths)
    return f"{packets} ESP packets on {paths} paths, nothing of ours to read"


def mtu_problems(experiment: Experiment) -> Iterator[Problem]:
    """Paths on which a packet as large as the MTU does not pass, or passes in pieces."""
    if experiment.paths and not experiment.reached:
        yield CANNOT_BE_SEEN
        return
    lower = "lower the network's MTU (com.docker.network.driver.mtu), and create it anew"
    for source, target in experiment.paths:
        if (source, target) not in experiment.reached:
            yield Problem(what=f"cannot be seen to {target}", remedy="see overlay", host=source)
            continue
        pinged = experiment.pinged[source]
        seen = experiment.seen.get((source, target), Seen())
        if target not in pinged.full:
            reason = f": {pinged.error}" if pinged.error else ""
            what = f"packets of {pinged.mtu} bytes do not get to {target}{reason}"
            yield Problem(what=what, remedy=lower, host=source)
        elif seen.fragments:
            what = f"packets of {pinged.mtu} bytes leave for {target} in pieces"
            yield Problem(what=what, remedy=lower, host=source)


def mtu_seen(experiment: Experiment) -> str:
    """The size that passes."""
    sizes = {pinged.mtu for pinged in experiment.pinged.values()}
    told = "/".join(map(str, sorted(sizes)))
    return f"packets of {told} bytes pass whole on {len(experiment.paths)} paths"
