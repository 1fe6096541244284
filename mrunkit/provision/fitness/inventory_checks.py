"""Checks of the inventory, and of the hosts beside each other: groups, names, addresses, users."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mrunkit.provision.fitness.found import (
    Host,
    Problem,
    Settings,
    enumerated,
    of_inventory,
    with_probe,
)
from mrunkit.provision.groups import everyone, group_problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """Why a host is not reached."""

    words: str
    """That ssh says, in lower case."""
    remedy: str
    check: str = "reach"


_CAUSES = (
    _Cause(
        words="could not resolve",
        check="names",
        remedy="correct the name in the inventory, or give its address as ansible_host",
    ),
    _Cause(
        words="host key verification failed",
        remedy="connect once by hand with ssh and compare the key; if it changed with a new"
        " installation, remove the old one with ssh-keygen -R",
    ),
    # Before what it leads to.
    _Cause(
        words="no such identity",
        remedy="correct ansible_ssh_private_key_file in the inventory",
    ),
    _Cause(
        words="permission denied",
        remedy="check ansible_user and ansible_ssh_private_key_file; ssh-copy-id installs a key",
    ),
    _Cause(words="connection refused", remedy="check that sshd runs there, and ansible_port"),
)
_NO_ANSWER = _Cause(
    words="",
    remedy="check that it is on, and its address, route and firewall;"
    " to do without it for now, take it out of the inventory, or in a lab that is made:"
    " --limit 'all:!NAME'",
)


def check_groups(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The groups say who is what, in numbers that can work."""
    for problem, remedy in group_problems(settings.groups):
        yield of_inventory("groups", problem, remedy)


def check_reach(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host answers, by a name that resolves and with a key that fits."""
    for host in hosts:
        if host.unreachable is None:
            continue
        said = host.unreachable.rpartition("Failed to connect to the host via ssh: ")[2]
        lines = [line.strip() for line in said.strip().splitlines()] or ["no answer"]
        cause = next((cause for cause in _CAUSES if cause.words in said.lower()), _NO_ANSWER)
        line = [line for line in lines if cause.words in line.lower()][-1]
        yield Problem(
            check=cause.check,
            host=host.name,
            problem=f"unreachable: {line}",
            remedy=cause.remedy,
        )


def check_duplicates(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """No machine is named twice, and none is another's copy."""
    known = settings.known_addresses.items()
    addresses = [*((host.address, host.name) for host in hosts), *((a, name) for name, a in known)]
    named_twice = set()
    for address, names in _shared(addresses):
        named_twice.add(frozenset(names))
        yield Problem(
            check="duplicate",
            host=names[0],
            problem=f"has the address {address}, and so has {enumerated(names[1:])}",
            remedy="name each host once; if they are two, give each its own lab_address",
        )
    probed = [(host.name, host.probe) for host in hosts if host.probe]
    for identity, names in _shared((probe["machine_id"], name) for name, probe in probed):
        if frozenset(names) not in named_twice:
            yield Problem(
                check="machine-id",
                host=names[0],
                problem=f"has the machine-id {identity}, and so has {enumerated(names[1:])}:"
                " one machine named twice, or copies of one disk",
                remedy="on each copy: rm /etc/machine-id /var/lib/dbus/machine-id;"
                " systemd-machine-id-setup; reboot",
            )
    for hostname, names in _shared((probe["hostname"], name) for name, probe in probed):
        if frozenset(names) not in named_twice:
            yield Problem(
                check="names",
                host=names[0],
                problem=f"calls itself {hostname}, and so does {enumerated(names[1:])}",
                remedy="give each a name of its own: hostnamectl set-hostname NAME",
            )


def check_user(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The lab's user is there, with one uid, or its files would be another's on other hosts."""
    uids = defaultdict(list)
    for host, probe in with_probe(hosts):
        if probe["account"] is None:
            remedy = f"create it with the same uid on all hosts: useradd -m -u UID {settings.user}"
            problem = f"has no user {settings.user}"
            yield Problem(check="user", host=host.name, problem=problem, remedy=remedy)
        else:
            uids[probe["account"]["uid"]].append(host.name)
    if len(uids) > 1:
        told = "; ".join(f"{uid} on {enumerated(names)}" for uid, names in uids.items())
        yield of_inventory(
            "user",
            f"user {settings.user} has different uids: {told}",
            "give it one: usermod -u UID; on the share its files are told apart by uid",
        )


def check_addresses(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host has an address by which others reach it."""
    for host, _ in with_probe(hosts):
        parsed = _address(host.address)
        if not host.address:
            where = f"interface {settings.interface}" if settings.interface else "default route"
            problem = f"no IPv4 address of its {where}"
            remedy = "set lab_interface, or lab_address for this host"
        elif parsed is None:
            problem = f"lab_address {host.address} is no IPv4 address"
            remedy = "write the address: names are given to the hosts only later"
        elif parsed.is_loopback:
            problem = f"lab_address {host.address} reaches no other host"
            remedy = "set lab_address to the address in the hosts' common network"
        else:
            continue
        yield Problem(check="names", host=host.name, problem=problem, remedy=remedy)


def check_left_out(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """With --limit: who is left out is known already."""
    left_out = everyone(settings.groups) - {host.name for host in hosts}
    for name in sorted(left_out - set(settings.known_addresses)):
        yield Problem(
            check="names",
            host=name,
            problem="is left out of this run, and no earlier one noted its address",
            remedy="run once without --limit; if it is down, take it out of the inventory",
        )


def check_mesos(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """There is a place that Mesos comes from."""
    if not settings.is_mesos_placed:
        yield of_inventory(
            "mesos",
            "does not say where Mesos comes from, and no place stays: Apache Mesos is in the Attic",
            "set mesos_repository (and mesos_repository_key) to a repository with packages of it;"
            " or mesos_install=archive, mesos_archive to a path or URL, and mesos_archive_sha256 to"
            " the 64 hex digits of its SHA-256",
        )


def check_subnet(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The overlay's subnet is free, and has an address for all that will be in it."""
    try:
        subnet = ipaddress.IPv4Network(settings.subnet)
    except ValueError as error:
        remedy = "write a network such as 10.0.9.0/24"
        yield of_inventory("subnet", f"lab_network_subnet: {error}", remedy)
        return
    count = max(len(everyone(settings.groups)), len(hosts))
    # On each host one for the overlay itself, one for a job's container and one for what is
    # beside it, another job's or doctor's; two jobs' mpiexecs; the network's own, its gateway's
    # and the broadcast's; and one that is just being given back.
    wanted = 3 * count + 6
    if subnet.num_addresses < wanted:
        prefix = 32 - (wanted - 1).bit_length()
        yield of_inventory(
            "subnet",
            f"lab_network_subnet {subnet} has {subnet.num_addresses} addresses,"
            f" {count} hosts want {wanted}",
            f"take a /{prefix} or larger",
        )
    for host, probe in with_probe(hosts):
        for seen in probe["networks"]:
            if subnet.overlaps(ipaddress.IPv4Network(seen["network"], strict=False)):
                yield Problem(
                    check="subnet",
                    host=host.name,
                    problem=f"has the network {seen['network']} ({seen['interface']}), which"
                    f" lab_network_subnet {subnet} overlaps",
                    remedy="choose a lab_network_subnet that no host has a route to",
                )


def _shared(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Values that more than one name has; the empty value is nobody's."""
    names = defaultdict(list)
    for value, name in pairs:
        names[value].append(name)
    return ((value, found) for value, found in names.items() if value and len(found) > 1)


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None
