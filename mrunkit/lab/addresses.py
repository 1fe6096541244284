"""Subnets and addresses of labs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from mrunkit.lab.request import LabError

POOL = IPv4Network("10.88.0.0/16")
"""Where labs of containers take their /24 from: apart from Docker's own pools, which begin at
172.17 and 192.168, and from those of swarms, which begin at 10.0."""

GUEST_SUBNET = IPv4Network("10.77.0.0/24")
"""Of the second cards of every lab's guests, which reach nothing else."""

_FIRST_HOST = 10


def free_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first /24 of the pool that overlaps none of these."""
    others = list(taken)
    for subnet in POOL.subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in others):
            return subnet
    raise LabError(f"no /24 of {POOL} is free", remedy="take down labs: mrunkit lab ls")


def host_address(subnet: IPv4Network, number: int) -> str:
    """The address of a lab's host, counted from 0."""
    return str(subnet[_FIRST_HOST + number])


def parse_routes(table: str) -> list[IPv4Network]:
    """The networks in /proc/net/route that this machine has routes to, the default left out."""
    networks = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, mask = (_from_hex(fields[column]) for column in (1, 7))
        network = IPv4Network((int(destination), f"{mask}"), strict=False)
        if network.prefixlen:
            networks.append(network)
    return networks


def _from_hex(text: str) -> IPv4Address:
    """An address as /proc tells it: hexadecimal, the last byte first."""
    return IPv4Address(bytes.fromhex(text)[::-1])
