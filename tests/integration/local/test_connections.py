"""HTTP as clients speak it, well or badly, to the embedded cluster's server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable

import pytest

from mrunkit.local import http
from mrunkit.local.http import Connection, Request, Response, Server

Story = Callable[["Client"], Awaitable[None]]


class Echo:
    """Answers with what it was asked; makes a stream of /stream."""

    def __init__(self) -> None:
        self.streams: list[Connection] = []
        self.lost = asyncio.Event()

    def respond(self, request: Request, connection: Connection) -> Response | None:
        """Answer."""
        if request.path == "/stream":
            self.streams.append(connection)
            connection.stream({"X-Kind": "endless"}, on_lost=self.lost.set)
            connection.send(b"first")
            return None
        return Response(body=f"{request.method} {request.path} ".encode() + request.body)


class Client:
    """A connection to an Echo, byte by byte."""

    def __init__(
        self, echo: Echo, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.echo = echo
        self.server = server
        self.reader = reader
        self.writer = writer

    async def ask(self, *pieces: bytes) -> bytes:
        """Send some pieces, each by itself, and read what comes until the end or 0.2 s of quiet."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
        return await self.read()

    async def read(self) -> bytes:
        """All that comes until the end, or until a moment of quiet."""
        said = b""
        with contextlib.suppress(TimeoutError):
            while piece := await asyncio.wait_for(self.reader.read(1 << 16), 0.2 if said else 5):
                said += piece
        return said

    async def is_closed(self) -> bool:
        """Whether the server has closed the connection, or does so soon."""
        return await asyncio.wait_for(self.reader.read(), 5) == b""


def play(story: Story) -> None:
    """Run a story with one client."""

    async def run() -> None:
        echo = Echo()
        server = Server(echo.respond)
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await story(Client(echo, server, reader, writer))
        finally:
            writer.close()
            await server.stop()

    asyncio.run(run())


def answer(text: str, *, close: bool = False) -> bytes:
    """A whole answer of Echo."""
    kind = "Content-Type: text/plain; charset=utf-8\r\n"
    end = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n{kind}{end}\r\n{text}".encode()


def test_a_connection_serves_several_requests() -> None:
    """It is kept open, and requests sent ahead are answered in order."""

    async def story(client: Client) -> None:
        assert await client.ask(b"GET /a?b=c HTTP/1.1\r\n\r\n") == answer("GET /a ")
        two = b"POST /%41 HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /b HTTP/1.1\r\n\r\n"
        assert await client.ask(two) == answer("POST /A xyz") + answer("GET /b ")

    play(story)


def test_a_request_may_come_in_any_pieces() -> None:
    """Byte by byte, and its body in chunks."""

    async def story(client: Client) -> None:
        request = (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        pieces = [request[at : at + 1] for at in range(len(request))]
        assert await client.ask(*pieces) == answer("POST / abcde")

    play(story)


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"]
)
def test_a_connection_is_closed_if_asked(request_: bytes) -> None:
    """As HTTP/1.0 does, or by a header."""

    async def story(client: Client) -> None:
        assert await client.ask(request_) == answer("GET / ", close=True)
        assert await client.is_closed()

    play(story)


def test_who_waits_to_be_told_to_continue_is_told() -> None:
    """curl does, before it sends a large body."""

    async def story(client: Client) -> None:
        head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        assert await client.ask(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await client.ask(b"ok") == answer("POST / ok")

    play(story)


def test_head_has_no_body() -> None:
    """Only its length."""

    async def story(client: Client) -> None:
        said = await client.ask(b"HEAD / HTTP/1.1\r\n\r\n")
        assert said.endswith(b"\r\n\r\n")
        assert b"Content-Length: 7\r\n" in said

    play(story)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * http.LARGEST_HEAD + b"\r\n\r\n", b"413"),
        (b"GET /" + b"x" * http.LARGEST_HEAD + b" HTTP/1.1\r\n\r\n", b"413"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (http.LARGEST_BODY + 1)
            + bytes(http.LARGEST_BODY + 1),
            b"413",
        ),
    ],
    ids=["garbage", "upgrade", "header", "address", "body"],
)
def test_what_is_no_request_for_us_is_refused(request_: bytes, status: bytes) -> None:
    """With a status, and without waiting for more."""

    async def story(client: Client) -> None:
        client.writer.write(request_)
        said = await client.reader.readline()
        assert said.split()[1] == status

    play(story)


def test_a_stream_goes_on_until_its_end() -> None:
    """In chunks; what is sent after its end goes nowhere."""

    async def story(client: Client) -> None:
        said = await client.ask(b"GET /stream HTTP/1.1\r\n\r\n")
        head, _, body = said.partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 OK\r\nX-Kind: endless\r\nTransfer-Encoding: chunked"
        assert body == b"5\r\nfirst\r\n"
        (stream,) = client.echo.streams
        stream.send(b"second" * 3)
        stream.end_stream()
        stream.send(b"too late")
        stream.end_stream()
        assert await client.read() == b"12\r\n" + b"second" * 3 + b"\r\n0\r\n\r\n"
        assert await client.is_closed()
        await asyncio.wait_for(client.echo.lost.wait(), 5)

    play(story)


def test_a_stream_whose_reader_goes_is_noticed() -> None:
    """Although nothing is being written to it."""

    async def story(client: Client) -> None:
        await client.ask(b"GET /stream HTTP/1.1\r\n\r\n")
        assert not client.echo.lost.is_set()
        client.writer.close()
        await asyncio.wait_for(client.echo.lost.wait(), 5)

    play(story)


def test_a_reader_that_sleeps_does_not_keep_the_server() -> None:
    """What it does not take within a second it does not get."""

    async def story(client: Client) -> None:
        client.writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
        await client.reader.readline()
        client.echo.streams[0].send(bytes(64 * 2**20))
        client.reader.set_exception(RuntimeError("nobody reads"))
        await asyncio.wait_for(client.server.stop(), 20)
        assert client.server.connections == set()

    play(story)


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_programs_of_other_accounts_are_turned_away() -> None:
    """They would have commands run as the account that the cluster belongs to."""

    async def story(client: Client) -> None:
        server = client.writer.get_extra_info("peername")
        os.seteuid(NOBODY)
        try:
            asking = socket.socket()  # from here on it is that account's
        finally:
            os.seteuid(0)
        asking.setblocking(False)
        await asyncio.get_running_loop().sock_connect(asking, server)
        reader, writer = await asyncio.open_connection(sock=asking)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 403 Forbidden\r\n"
        writer.close()

    play(story)
