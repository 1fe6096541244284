"""The HTTP side of both daemons: JSON answers, authentication, redirects."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

from standin_mesos.credentials import authenticated

SEND_SECONDS = 10.0
"""For a piece of a stream: who does not take it in this time is taken for gone."""


class Stream:
    """An answer without an end, in chunks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        """Send a piece; if there is nobody any more, `wait` ends."""
        try:
            self._connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
        except OSError:
            self._shut()

    def close(self) -> None:
        """End it as a stream ends."""
        with contextlib.suppress(OSError):
            self._connection.sendall(b"0\r\n\r\n")
        self._shut()

    def wait(self) -> None:
        """Until the other end or ours has closed it."""
        while True:
            try:
                if not self._connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class Answer(NamedTuple):
    """What a request gets: a body, or a stream if there is a `begin`."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})
    begin: Callable[[Stream], None] | None = None
    end: Callable[[], None] | None = None


class Request(NamedTuple):
    """What a daemon needs to know of a request."""

    method: str
    path: str
    headers: Mapping[str, str]
    text: bytes
    body: Any

    def refused(self, secrets: dict[str, str], realm: str) -> Answer | None:
        """401 unless the request comes with one of the secrets."""
        if authenticated(self.headers.get("Authorization"), secrets) is not None:
            return None
        return Answer(401, None, {"WWW-Authenticate": f'Basic realm="{realm}"'})


def serve(address: tuple[str, int], answer: Callable[[Request], Answer]) -> ThreadingHTTPServer:
    """A server, not yet running, each of whose requests is answered by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                body = json.loads(text) if text else None
            except ValueError:
                self._reply(Answer(400, "Failed to parse body into JSON"))
                return
            path = self.path.partition("?")[0].rstrip("/") or "/"
            got = answer(Request(self.command, path, self.headers, text, body))
            if got.begin is None:
                self._reply(got)
            else:
                self._stream(got)

        def _reply(self, got: Answer) -> None:
            data = b"" if got.body is None else json.dumps(got.body).encode()
            self.send_response(got.status)
            for name, value in got.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, got: Answer) -> None:
            assert got.begin is not None
            assert got.end is not None
            self.close_connection = True
            self.connection.settimeout(SEND_SECONDS)
            self.send_response(got.status)
            for name, value in got.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            stream = Stream(self.connection)
            got.begin(stream)
            stream.wait()
            got.end()

        do_GET = do_POST = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing of each request."""

    ThreadingHTTPServer.daemon_threads = True
    return ThreadingHTTPServer(address, Handler)
