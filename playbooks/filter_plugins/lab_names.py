"""How the lab's addresses and paths are written where the roles need them.

Pure: values in, text out; nothing of Ansible is imported.
"""

from __future__ import annotations

import ipaddress
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

PLAIN_IN_UNITS = string.ascii_letters + string.digits + ":_."


def lab_networks(addresses: Iterable[str]) -> list[str]:
    """The fewest networks that hold these IPv4 addresses and no other, single ones plain."""
    networks = ipaddress.collapse_addresses(map(ipaddress.IPv4Network, addresses))
    return [str(network).removesuffix("/32") for network in networks]


def lab_local_path(source: str, inventory_dir: str) -> str:
    """The path of a file on this machine, as seen from the inventory; what is empty stays so."""
    return str(Path(inventory_dir, Path(source).expanduser())) if source else ""


def lab_known_names(
    addresses: Mapping[str, str], hostnames: Mapping[str, str]
) -> dict[str, list[str]]:
    """By inventory name the names for an address: the inventory's, and the host's own if unique.

    An inventory name that is itself an address is none; "localhost" stays every host's own.
    """
    own = Counter(hostnames.values())
    names = {}
    for host in addresses:
        hostname = hostnames.get(host, "")
        candidates = [host] if not _is_address(host) else []
        if own[hostname] == 1 and not hostname.startswith("localhost"):
            candidates += [hostname, hostname.partition(".")[0]]
        others = set(addresses) - {host}
        names[host] = [name for name in dict.fromkeys(candidates) if name and name not in others]
    return names


def lab_known_hosts(
    keys: Mapping[str, Sequence[str]],
    addresses: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    ports: Mapping[str, int],
) -> str:
    """Lines of a known_hosts file: each host's keys under its names and its address."""
    lines = []
    for host, address in addresses.items():
        known = [*names[host], address]
        if ports[host] != 22:
            known = [f"[{name}]:{ports[host]}" for name in known]
        lines += [f"{','.join(known)} {key}" for key in keys.get(host, ())]
    return "\n".join(lines)


def lab_ssh_config(
    addresses: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    identity: str,
    ports: Mapping[str, int],
) -> str:
    """Lines of an ssh_config: a host each, as a line of all would be too long for older ssh."""
    lines = []
    for host, address in addresses.items():
        lines += [f"Host {' '.join([*names[host], address])}", f"    IdentityFile {identity}"]
        lines += [f"    Port {ports[host]}"] if ports[host] != 22 else []
    return "\n".join(lines)


def lab_unit_name(path: str, suffix: str = "mount") -> str:
    """The name of a path's systemd unit, as `systemd-escape --path` makes it."""
    trimmed = "/".join(part for part in path.split("/") if part)
    if not trimmed:
        return f"-.{suffix}"
    escaped = [_escaped(byte, is_first=index == 0) for index, byte in enumerate(trimmed.encode())]
    return "".join(escaped) + f".{suffix}"


def _escaped(byte: int, *, is_first: bool) -> str:
    character = chr(byte)
    if character == "/":
        return "-"
    if character in PLAIN_IN_UNITS and not (is_first and character == "."):
        return character
    return f"\\x{byte:02x}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """By the names that playbooks use."""
        return {
            "lab_known_hosts": lab_known_hosts,
            "lab_known_names": lab_known_names,
            "lab_local_path": lab_local_path,
            "lab_networks": lab_networks,
            "lab_ssh_config": lab_ssh_config,
            "lab_unit_name": lab_unit_name,
        }
