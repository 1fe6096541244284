"""Which proxies have connected to mpiexec: read from the kernel's list of connections.

mpiexec itself says nothing while it waits for a proxy that never comes. Refuses to decide
how long that may last.

A look shows who is connected now. A proxy whose ranks were no MPI programs and have ended
is gone again, and need not have waited for the others.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_ESTABLISHED = "01"
_MAPPED_IPV4 = bytes(10) + b"\xff\xff"


def connected_addresses(table: str, port: int) -> tuple[str, ...]:
    """Return the peers of established connections to local `port`, one entry for each.

    `table` is the text of /proc/net/tcp or /proc/net/tcp6.
    """
    peers = []
    for line in table.splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
            peers.append(_address(remote.partition(":")[0]))
    return tuple(peers)


def read_connected(port: int) -> tuple[str, ...]:
    """Look now who is connected to local `port` in this network namespace."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    return tuple(
        peer
        for table in tables
        if table.exists()
        for peer in connected_addresses(table.read_text(encoding="ascii"), port)
    )


def _address(hexadecimal: str) -> str:
    # The kernel prints each 32-bit word of the address in the machine's own byte order.
    words = [int(hexadecimal[at : at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed.startswith(_MAPPED_IPV4):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)
