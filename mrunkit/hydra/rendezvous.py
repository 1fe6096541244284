"""Where tasks call in: readiness, address and delivery in one HTTP request each.

    task                                        rendezvous
    GET / with token, task id, address     ->   on_connected
                                                (held open until the gang is complete)
    200, a word of the launch line per line <-  answer()

Owns one listening socket on one address, for as long as tasks are expected. Refuses all
others that connect: they learn no launch line, and cost the job next to no memory and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import socket
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Self

import httptools

from mrunkit.errors import MrunkitError

from .lines import ProxyLaunch

LONGEST_REQUEST = 8192
"""Bytes; a task's request has about 400."""

REQUEST_SECONDS = 10.0
"""How long a connection may take to send its request."""

MOST_STRANGERS = 128
"""Connections that have sent no request yet; beyond so many the oldest has to go. A task sends
its request with the first packet, so those that are old are no tasks."""

BACKLOG = 1024

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""A host that loses its power says nothing: noticed after a minute."""

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_NAME_ADDRESS = "name an address of this machine that the agents reach: --advertise"
_SAFE_TEXT = re.compile(r"[^\x20-\x7e]")


class Problem(Enum):
    """Why a task cannot take part; it says so itself, in one of these words."""

    NO_PROXY = "no-proxy"
    """hydra_pmi_proxy is neither where the client has it nor in PATH."""
    NO_WORKDIR = "no-workdir"
    """It cannot enter the job's working directory."""
    UNCLEAR = "unclear"
    """Whatever it said was not understood."""


class RendezvousError(MrunkitError):
    """There can be no rendezvous on this address."""


class Rendezvous:
    """The server, from `open` to `close` or as a context manager; callbacks come in its loop.

    `new_token()`: makes one for a task that is expected; nobody guesses it.
    `on_connected(task_id, address, version)`: ready, version empty if it could not tell.
    `on_lost(task_id)`: went away before it was answered.
    `on_problem(task_id, problem)`: it cannot take part, and ends by itself.
    """

    def __init__(
        self,
        *,
        address: str,
        new_token: Callable[[], str],
        on_connected: Callable[[str, str, str], None],
        on_lost: Callable[[str], None],
        on_problem: Callable[[str, Problem], None],
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._address = address
        self._new_token = new_token
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._on_problem = on_problem
        self.request_seconds = request_seconds
        self._port = 0
        self._server: asyncio.Server | None = None
        self._expected: dict[str, bytes] = {}
        """What a task has to say in the header Authorization."""
        self._waiting: dict[str, _Connection] = {}
        self._told: dict[str, tuple[str, str]] = {}
        self._strangers: dict[_Connection, None] = {}
        self._connections: set[_Connection] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin to listen, on a free port; raises RendezvousError."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self), self._address, 0, backlog=BACKLOG
            )
        except OSError as error:
            raise RendezvousError(
                f"cannot listen on {self._address}: {error.strerror}",
                remedy=_NAME_ADDRESS,
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Where tasks call in."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._port}"

    def expect(self, task_id: str) -> str:
        """Let this task in when it calls with the token that is returned."""
        token = self._new_token()
        self._expected[task_id] = f"Bearer {token}".encode()
        return token

    def dismiss(self, task_id: str) -> None:
        """Let this task in no more; if it waits, it is sent away, and ends."""
        self._expected.pop(task_id, None)
        self._told.pop(task_id, None)
        waiting = self._waiting.pop(task_id, None)
        if waiting is not None:
            waiting.respond(410, b"")

    def answer(self, task_id: str, launch: ProxyLaunch) -> bool:
        """Deliver a waiting task's launch line; False if it is not there any more."""
        waiting = self._waiting.pop(task_id, None)
        if waiting is None:
            return False
        self._expected.pop(task_id, None)
        waiting.respond(200, launch.answer())
        return True

    async def close(self) -> None:
        """Stop listening and end all connections; tasks that still wait end by themselves."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        self._waiting.clear()
        for connection in tuple(self._connections):
            connection.finish()
        while self._connections:
            await asyncio.wait([connection.ended for connection in self._connections])
        await server.wait_closed()

    # Called by connections.

    def made(self, connection: _Connection) -> None:
        """Take note of a new connection, at the cost of the oldest stranger."""
        self._connections.add(connection)
        if len(self._strangers) >= MOST_STRANGERS:
            next(iter(self._strangers)).abort()
        self._strangers[connection] = None

    def introduced(self, connection: _Connection) -> None:
        """Take note that a connection has sent its request, or has gone."""
        self._strangers.pop(connection, None)

    def requested(self, connection: _Connection) -> None:
        """Decide on a complete request."""
        self.introduced(connection)
        headers = connection.headers
        task_id = _text(headers, b"mrunkit-task")
        expected = self._expected.get(task_id)
        told = headers.get(b"authorization", b"")
        if expected is None or not hmac.compare_digest(told, expected):
            connection.respond(403, b"")
            return
        if b"mrunkit-problem" in headers:
            self._expected.pop(task_id, None)
            connection.respond(204, b"")
            self._on_problem(task_id, _problem(_text(headers, b"mrunkit-problem")))
            return
        self._hold(task_id, connection)

    def ended(self, connection: _Connection) -> None:
        """Take note that a connection has gone."""
        self.introduced(connection)
        self._connections.discard(connection)
        task_id = connection.task_id
        if task_id and self._waiting.get(task_id) is connection:
            del self._waiting[task_id]
            self._told.pop(task_id, None)
            self._on_lost(task_id)

    def _hold(self, task_id: str, connection: _Connection) -> None:
        before = self._waiting.get(task_id)
        connection.task_id = task_id
        self._waiting[task_id] = connection
        if before is not None:  # it tries again; its first connection broke without a word
            before.finish()
        address = _usable_address(_text(connection.headers, b"mrunkit-address"), connection.peer)
        told = (address, _text(connection.headers, b"mrunkit-mpich"))
        if self._told.get(task_id) != told:
            self._told[task_id] = told
            self._on_connected(task_id, *told)


class _Connection(asyncio.Protocol):
    """One connection: collects one request without a body, within its limits."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._received = 0
        self._is_complete = False
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle
        self.headers: dict[bytes, bytes] = {}
        self.peer = ""
        self.task_id = ""
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._deadline = self._loop.call_later(self._rendezvous.request_seconds, self.abort)
        self.peer = transport.get_extra_info("peername")[0]
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._rendezvous.made(self)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._is_complete or self._received > LONGEST_REQUEST:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.respond(400, b"")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._is_complete = True
        self._deadline.cancel()
        # Not from within the parser: what a callback raises would come back as its error.
        self._loop.call_soon(self._decide)

    def _decide(self) -> None:
        if not self._transport.is_closing():
            self._rendezvous.requested(self)

    def respond(self, status: int, body: bytes) -> None:
        """Send the answer and close."""
        head = f"HTTP/1.1 {status} \r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        if status == 204:
            head = head.replace("Content-Length: 0\r\n", "")
        self._transport.write(head.encode() + body)
        self.finish()

    def finish(self) -> None:
        """Close, once everything is sent, or after a short while."""
        self._deadline.cancel()
        self._transport.close()
        self._deadline = self._loop.call_later(1.0, self.abort)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self.ended.set_result(None)
        self._rendezvous.ended(self)


def route_address(host: str, port: int) -> str:
    """Return the address of this machine from which `host` is reached; nothing is sent."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM
        )[0]
        with contextlib.closing(socket.socket(family, kind, protocol)) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise RendezvousError(
            f"no route to {host}: {error.strerror}",
            remedy=_NAME_ADDRESS,
        ) from error


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return _SAFE_TEXT.sub("?", headers.get(name, b"").decode("latin-1")).strip()


def _problem(word: str) -> Problem:
    try:
        return Problem(word)
    except ValueError:
        return Problem.UNCLEAR


def _usable_address(told: str, peer: str) -> str:
    """What the task says, unless that is no address, or loopback and it calls from elsewhere."""
    is_odd = _ADDRESS.fullmatch(told) is None
    is_loopback = told.startswith("127.") and not peer.startswith("127.")
    return peer if is_odd or is_loopback else told
