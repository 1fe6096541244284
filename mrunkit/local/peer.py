"""Whose program is at the other end of a connection within this machine.

Who may call a cluster can have it run commands as the account it belongs to, so it has to know. A
TCP connection carries no account, but the kernel lists those of its sockets.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9
"""Columns. Source: Documentation/networking/proc_net_tcp.rst."""

ROOT = 0

Endpoint = tuple[str, int]


def is_of_our_account(here: Endpoint, there: Endpoint) -> bool:
    """Look now whether the connection from `there`, an IPv4 address, is held by our account.

    Or by root, who can act as us anyway.
    """
    tables = (table.read_text(encoding="ascii") for table in _TABLES if table.exists())
    return any(holder(text, of=there, to=here) in (os.getuid(), ROOT) for text in tables)


def holder(table: str, *, of: Endpoint, to: Endpoint) -> int | None:
    """The uid of the socket at `of` that is connected to `to`; None if no process has it open.

    The kernel says uid 0 of a socket that was closed with something still to be sent, whosever it
    was; it has no inode any more.
    """
    wanted = {(local, remote) for local in _forms(of) for remote in _forms(to)}
    for line in table.splitlines()[1:]:
        columns = line.split()
        if (columns[_LOCAL], columns[_REMOTE]) in wanted and columns[_INODE] != "0":
            return int(columns[_UID])
    return None


def _forms(endpoint: Endpoint) -> tuple[str, str]:
    """An endpoint as tcp and tcp6 list it: 32-bit words in the machine's own byte order."""
    address, port = socket.inet_aton(endpoint[0]), endpoint[1]
    mapped = bytes(10) + b"\xff\xff" + address
    as_ipv4 = "".join(f"{word:08X}" for word in struct.unpack("=I", address))
    as_ipv6 = "".join(f"{word:08X}" for word in struct.unpack("=4I", mapped))
    return f"{as_ipv4}:{port:04X}", f"{as_ipv6}:{port:04X}"
