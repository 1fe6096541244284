"""The files that make a copy of a base tree a host of its own. Pure.

A container gets them before it starts; a guest unpacks them when it first boots.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from mrunkit.lab.record import LabRecord

DNS_OF_QEMU = "10.0.2.3"
"""What QEMU's user networking always gives a guest."""

_UPLINK = """\
[Match]
MACAddress={mac}

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
"""

_LAB = """\
[Match]
MACAddress={mac}

[Network]
Address={address}/{prefix}
LinkLocalAddressing=no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFile:
    """A file of root's in a host."""

    path: str
    """From the root, without the leading slash."""
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeys:
    """The keys that a host gets."""

    private: str
    """Its own, by which it is known."""
    public: str
    authorized: str
    """Whose owner may log in."""


def ssh_files(keys: HostKeys) -> list[SeedFile]:
    """The keys in their places."""
    return [
        SeedFile(path="etc/ssh/ssh_host_ed25519_key", text=keys.private, mode=0o600),
        SeedFile(path="etc/ssh/ssh_host_ed25519_key.pub", text=keys.public + "\n"),
        SeedFile(path="root/.ssh/authorized_keys", text=keys.authorized + "\n", mode=0o600),
    ]


def container_files(lab: LabRecord, host: str) -> list[SeedFile]:
    """What only a container needs; its names and addresses are Docker's to give."""
    return [
        SeedFile(path="etc/machine-id", text=lab.machine_id(host) + "\n"),
        # The volume that all hosts of the lab share; whoever runs jobs writes there.
        SeedFile(path="etc/tmpfiles.d/mrunkit-lab.conf", text="d /share 1777 root root -\n"),
        # It may measure the clock, which is this machine's, but not set it.
        SeedFile(path="etc/default/chrony", text='DAEMON_OPTS="-F 1 -x"\n'),
    ]


def guest_files(
    lab: LabRecord, host: str, macs: tuple[str, str], net: IPv4Network
) -> list[SeedFile]:
    """What only a guest needs: addresses of its two cards, and the names of the lab's hosts."""
    address = next(other.address for other in lab.hosts if other.name == host)
    uplink, second = macs
    return [
        SeedFile(path="etc/hostname", text=host + "\n"),
        SeedFile(path="etc/hosts", text=hosts_text(lab)),
        SeedFile(path="etc/resolv.conf", text=f"nameserver {DNS_OF_QEMU}\n"),
        SeedFile(path="etc/systemd/network/10-uplink.network", text=_UPLINK.format(mac=uplink)),
        SeedFile(
            path="etc/systemd/network/20-lab.network",
            text=_LAB.format(mac=second, address=address, prefix=net.prefixlen),
        ),
    ]


def hosts_text(lab: LabRecord) -> str:
    """/etc/hosts, the same on all: a host's own name is the address that others reach too."""
    lines = ["127.0.0.1 localhost", *(f"{host.address} {host.name}" for host in lab.hosts)]
    return "\n".join(lines) + "\n"


def archive(files: Iterable[SeedFile]) -> bytes:
    """The files as a tar archive, to be unpacked at the root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for directory in ("root/.ssh",):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(entry)
        for file in files:
            content = file.text.encode()
            entry = tarfile.TarInfo(file.path)
            entry.mode, entry.size = file.mode, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
