"""As much of a ZooKeeper client as electing a leader takes: one connection, used in turn."""

from __future__ import annotations

import json
import socket
import struct

_PING, _CREATE, _GET_DATA, _GET_CHILDREN = 11, 1, 4, 8
_EPHEMERAL_AND_SEQUENTIAL = 3
_NO_NODE, _NODE_EXISTS = -101, -110


class ZooKeeperError(Exception):
    """The ensemble does not answer, or refuses."""


class ZooKeeper:
    """A session, at the first server of `zk://HOST:PORT,.../PATH` that answers."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        servers, _, path = url[len("zk://") :].partition("/")
        self._path = "/" + path.rstrip("/")
        self._xid = 0
        self._socket = _connect(servers.split(","), timeout)
        self._send(struct.pack("!iqiq", 0, 0, int(timeout * 1000), 0) + _buffer(bytes(16)))
        if struct.unpack("!i", self._receive()[4:8])[0] <= 0:
            raise ZooKeeperError("the session has expired")

    def contend(self, info: dict[str, object]) -> None:
        """Stand for election, with what others are to know of us."""
        self._create(self._path, b"", 0)
        data = json.dumps(info).encode()
        self._create(f"{self._path}/json.info_", data, _EPHEMERAL_AND_SEQUENTIAL)

    def leader(self) -> dict[str, object] | None:
        """What the leader made known; None if nobody leads. Keeps the session, too."""
        error, body = self._call(_GET_CHILDREN, _string(self._path) + b"\0")
        if error == _NO_NODE:
            self._call(_PING, b"")
            return None
        names = _strings(body)
        leading = min((name for name in names if name.startswith("json.info_")), default=None)
        if leading is None:
            return None
        error, body = self._call(_GET_DATA, _string(f"{self._path}/{leading}") + b"\0")
        if error:
            return None
        (length,) = struct.unpack("!i", body[:4])
        info: dict[str, object] = json.loads(body[4 : 4 + length])
        return info

    def close(self) -> None:
        """End the connection; the session ends when it times out."""
        self._socket.close()

    def _create(self, path: str, data: bytes, flags: int) -> None:
        anyone = struct.pack("!ii", 1, 31) + _string("world") + _string("anyone")
        error, _ = self._call(
            _CREATE, _string(path) + _buffer(data) + anyone + struct.pack("!i", flags)
        )
        if error and error != _NODE_EXISTS:
            raise ZooKeeperError(f"cannot create {path}: error {error}")

    def _call(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self._xid += 1
        self._send(struct.pack("!ii", self._xid, kind) + body)
        answer = self._receive()
        return struct.unpack("!i", answer[12:16])[0], answer[16:]

    def _send(self, body: bytes) -> None:
        try:
            self._socket.sendall(_buffer(body))
        except OSError as error:
            raise ZooKeeperError(str(error)) from error

    def _receive(self) -> bytes:
        (length,) = struct.unpack("!i", self._read(4))
        return self._read(length)

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                piece = self._socket.recv(length - len(data))
            except OSError as error:
                raise ZooKeeperError(str(error)) from error
            if not piece:
                raise ZooKeeperError("the connection was closed")
            data += piece
        return data


def _connect(servers: list[str], timeout: float) -> socket.socket:
    problems = []
    for server in servers:
        host, _, port = server.partition(":")
        try:
            return socket.create_connection((host, int(port or 2181)), timeout)
        except OSError as error:
            problems.append(f"{server}: {error}")
    raise ZooKeeperError("; ".join(problems))


def _buffer(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


def _string(text: str) -> bytes:
    return _buffer(text.encode())


def _strings(body: bytes) -> list[str]:
    (count,) = struct.unpack("!i", body[:4])
    found, at = [], 4
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at : at + 4])
        found.append(body[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found
