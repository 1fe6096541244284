"""The experiment with a container on each host, made. What it shows, `overlay` judges."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mrunkit.provision.doctor import overlay
from mrunkit.provision.doctor.hosts import Answers, Hosts, Probe, ProbeError
from mrunkit.provision.doctor.overlay import Container, Experiment, Network, Path, Pinged, Seen
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.ssh import Completed


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the experiment needs to know of a lab."""

    run: str
    """Tells this doctor's containers from another's."""
    network: str
    image: str
    host_by_address: Mapping[str, str]
    """All addresses by which hosts talk to each other."""


def experiment(
    hosts: Hosts, around: Surroundings, network: Network
) -> tuple[Experiment, list[Problem]]:
    """Start containers, ping, look at the wire, and remove them again.

    What kept hosts out of it are problems.
    """
    started = _start_on_all(hosts, around)
    containers = {
        name: found for name, found in started.by_host.items() if isinstance(found, Container)
    }
    problems = list(started.problems)
    problems += [
        Problem(what=found.what, remedy=found.remedy, host=name)
        for name, found in started.by_host.items()
        if isinstance(found, Problem)
    ]
    paths = overlay.paths_between(list(containers))
    marker = base64.b64encode(secrets.token_bytes(16)).decode()
    sniffing = hosts.ask(
        lambda name, probe: probe.ask(
            "sniff", marker=marker, addresses=list(around.host_by_address)
        ),
        containers,
    )
    pinged = hosts.ask(
        lambda name, probe: _ping(probe, name, containers, paths, marker), containers
    )
    seen = hosts.ask(
        lambda name, probe: overlay.parse_seen(name, probe.ask("sniffed"), around.host_by_address),
        sniffing.by_host,
    )
    # Now, not only at the end: each holds an address, which jobs may want.
    removed = hosts.ask(lambda _, probe: probe.run([overlay.remove_command(around.run)]))
    problems += [*sniffing.problems, *pinged.problems, *seen.problems, *removed.problems]
    by_path: dict[Path, Seen] = {}
    for of_host in seen.by_host.values():
        by_path |= of_host
    made = Experiment(
        network=network,
        paths=paths,
        pinged=pinged.by_host,
        seen=by_path,
    )
    return made, problems


def _start_on_all(hosts: Hosts, around: Surroundings) -> Answers[Container | Problem]:
    """Start a container on each host; where Docker runs out of time, again on fewer at once."""
    start = overlay.start_command(around.run, network=around.network, image=around.image)
    where = overlay.where_command(around.run, network=around.network)

    def start_first(_name: str, probe: Probe) -> Completed:
        probe.ask("at_end", command=overlay.remove_command(around.run).to_json())
        _, ended = probe.run([overlay.tidy_command(), start])
        return ended

    first = hosts.ask(start_first)
    ended, problems = dict(first.by_host), first.problems
    for _again in range(overlay.SLOW_STARTS):
        slow = [name for name in ended if overlay.is_out_of_time(ended[name])]
        again = hosts.ask(
            lambda _, probe: probe.run([start])[0],
            slow,
            at_a_time=overlay.starts_at_a_time(len(slow)),
        )
        for name in slow:
            del ended[name]
        ended |= again.by_host
        problems += again.problems

    found = hosts.ask(
        lambda name, probe: overlay.parse_container(ended[name], probe.run([where])[0]), ended
    )
    return Answers(by_host=found.by_host, problems=problems + found.problems)


def _ping(
    probe: Probe,
    name: str,
    containers: Mapping[str, Container],
    paths: tuple[Path, ...],
    marker: str,
) -> Pinged:
    host_by_address = {container.address: host for host, container in containers.items()}
    targets = [containers[target].address for source, target in paths if source == name]
    told: dict[str, Any] = probe.ask(
        "ping",
        pid=containers[name].pid,
        address=containers[name].address,
        targets=targets,
        marker=marker,
        seconds=overlay.PING_SECONDS,
    )
    if "error" in told:
        raise ProbeError(f"cannot ping from its container: {told['error']}")
    return overlay.parse_pinged(told, host_by_address)
