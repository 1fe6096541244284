"""HTTP/1.1 for the embedded cluster: requests in, answers and endless streams out.

Parsed by httptools. Owns connections, their framing and their limits; refuses to know what is
asked. It is our own because it is on the way of every `mrunkit run local`: importing aiohttp took
half of the cluster's start (0.13 of 0.25 s).
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import httptools

from mrunkit.local.peer import is_of_our_account

LARGEST_HEAD = 64 * 2**10  # bytes
LARGEST_BODY = 64 * 2**20  # bytes: a call with thousands of tasks
BACKLOG = 1024
LAST_WRITES_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, whole; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Responder = Callable[[Request, "Connection"], Response | None]
"""Answers a request; None if it made a stream of the connection."""


class Server:
    """Listens, and has each request answered."""

    def __init__(self, respond: Responder) -> None:
        self.respond = respond
        self.connections: set[Connection] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), host, port, backlog=BACKLOG
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end all connections, once what is to be sent is sent."""
        self._server.close()
        for connection in tuple(self.connections):
            connection.close()
        ends = [connection.ended for connection in self.connections]
        if ends:
            _, late = await asyncio.wait(ends, timeout=LAST_WRITES_SECONDS)
            for connection in tuple(self.connections) if late else ():
                connection.abort()
        await self._server.wait_closed()


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, until one of them makes a stream of it."""

    def __init__(self, server: Server) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server = server
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._complete: list[tuple[Request, bool]] = []
        self._begin()
        self._on_stream_lost: Callable[[], None] | None = None

    # --- a stream ---

    def stream(self, headers: Mapping[str, str], on_lost: Callable[[], None]) -> None:
        """Answer with a stream from now on; `on_lost` is called when its connection has gone."""
        self._on_stream_lost = on_lost
        self._write_head(200, {**headers, "Transfer-Encoding": "chunked"})

    def send(self, data: bytes) -> None:
        """Send a piece of the stream, unless that has ended."""
        if not self._transport.is_closing():
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self) -> None:
        """End the stream as one ends, and the connection with it; again: nothing."""
        if not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")
            self._transport.close()

    def close(self) -> None:
        """Close, once everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Break the connection."""
        self._transport.abort()

    # --- from asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of it, and turn away whom another account of this machine sent."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        here, there = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        if not is_of_our_account(here, there):
            self._refuse(403)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that this completes."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(413 if isinstance(error.__context__, OverflowError) else 400)
            return
        for request, is_last in self._complete:
            if self._transport.is_closing() or self._on_stream_lost is not None:
                break
            response = self._server.respond(request, self)
            if response is not None:
                self._answer(request, response, is_last=is_last)
        self._complete.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note, and tell whoever has made a stream of it."""
        self._server.connections.discard(self)
        self.ended.set_result(None)
        if self._on_stream_lost is not None:
            self._on_stream_lost()

    # --- from httptools ---

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._body = bytearray()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin()

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Tell a client that waits for it to go on."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._body += body
        if len(self._body) > LARGEST_BODY:
            raise OverflowError

    def on_message_complete(self) -> None:
        """Keep it until httptools has returned: what an answer raises is not its error."""
        request = Request(
            method=self._parser.get_method().decode(),
            path=unquote(self._url.partition(b"?")[0].decode("latin-1")),
            headers=self._headers,
            body=bytes(self._body),
        )
        self._complete.append((request, not self._parser.should_keep_alive()))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > LARGEST_HEAD:
            raise OverflowError

    # --- to the other end ---

    def _answer(self, request: Request, response: Response, *, is_last: bool) -> None:
        headers = {**response.headers, "Content-Length": str(len(response.body))}
        if response.body:
            headers["Content-Type"] = response.content_type
        if is_last:
            headers["Connection"] = "close"
        self._write_head(response.status, headers)
        if request.method != "HEAD":
            self._transport.write(response.body)
        if is_last:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        self._write_head(status, {"Content-Length": "0", "Connection": "close"})
        self._transport.close()

    def _write_head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
