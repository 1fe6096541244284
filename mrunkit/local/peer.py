"""Whose program is at the other end of a connection within this machine.

Who may call a cluster can have it run commands as the account it belongs to, so it has to know. A
TCP connection carries no account, but the kernel tells those of its sockets: of one that it is
asked about by netlink, in 0.1 to 0.2 ms, or else of all in lists, which took it 10 ms.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9
"""Columns. Source: Documentation/networking/proc_net_tcp.rst."""

_SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 20, 1
_NETLINK_SOCK_DIAG = 4
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI")
_SOCKET_ID = struct.Struct("!HH4s12x4s12xI8s")
_ANSWER = struct.Struct("=BBBB48xIIIII")
"""Source: linux/netlink.h, linux/inet_diag.h: nlmsghdr, inet_diag_req_v2, _sockid and _msg."""

ROOT = 0

Endpoint = tuple[str, int]


def is_of_our_account(here: Endpoint, there: Endpoint) -> bool:
    """Look now whether the connection from `there`, an IPv4 address, is held by our account.

    Or by root, who can act as us anyway.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.sendto(question(of=there, to=here), (0, 0))
            uid = answered_holder(kernel.recv(4096))
    except OSError:
        uid = None
    # Not each kernel is built to answer; and one that finds nothing says the same.
    return (uid in (os.getuid(), ROOT)) if uid is not None else _is_listed(here, there)


def question(*, of: Endpoint, to: Endpoint) -> bytes:
    """What the kernel is asked about the socket at `of` that is connected to `to`."""
    any_cookie = b"\xff" * 8
    sides = (socket.inet_aton(of[0]), socket.inet_aton(to[0]))
    asked = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
    asked += _SOCKET_ID.pack(of[1], to[1], *sides, 0, any_cookie)
    size = _HEADER.size + len(asked)
    return _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + asked


def answered_holder(answer: bytes) -> int | None:
    """The uid in the kernel's answer; None if it is an error, or no process has the socket open."""
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    *_, uid, inode = _ANSWER.unpack_from(answer, _HEADER.size)
    return uid if inode else None


def _is_listed(here: Endpoint, there: Endpoint) -> bool:
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
