"""The HTTP side of both daemons: JSON answers, authentication, redirects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

from standin_mesos.credentials import authenticated


class Answer(NamedTuple):
    """What a request gets."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """What a daemon needs to know of a request."""

    method: str
    path: str
    body: Any
    authorization: str | None

    def refused(self, secrets: dict[str, str], realm: str) -> Answer | None:
        """401 unless the request comes with one of the secrets."""
        if authenticated(self.authorization, secrets) is not None:
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
            self._reply(answer(Request(self.command, path, body, self.headers["Authorization"])))

        def _reply(self, got: Answer) -> None:
            data = b"" if got.body is None else json.dumps(got.body).encode()
            self.send_response(got.status)
            for name, value in got.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing of each request."""

    ThreadingHTTPServer.daemon_threads = True
    return ThreadingHTTPServer(address, Handler)
