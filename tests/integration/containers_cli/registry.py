"""A registry that takes pushes, and one that takes none: the least that Docker asks for.

Source: OCI distribution specification 1.1, push.
"""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Registry(ThreadingHTTPServer):
    """On loopback, where Docker takes http for good."""

    daemon_threads = True

    def __init__(self, *, is_closed: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_closed = is_closed
        self.blobs: set[str] = set()
        self.manifests: dict[str, str] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def answer(self, status: int, **headers: str) -> None:
        """Answer without a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self) -> bytes:
        """The request's body, in either form."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def do_GET(self) -> None:
        if self.server.is_closed:
            self.answer(401, WWW_Authenticate='Basic realm="closed"')
        elif self.path == "/v2/":
            self.answer(200)
        else:
            self.answer(404)

    def do_HEAD(self) -> None:
        name = self.path.rpartition("/")[2]
        if name in self.server.blobs:
            self.answer(200)
        else:
            self.answer(404)

    def do_POST(self) -> None:
        self.body()
        self.answer(202, Location=f"{self.path}upload", Docker_Upload_UUID="upload")

    def do_PATCH(self) -> None:
        size = len(self.body())
        self.answer(202, Location=self.path, Range=f"0-{size - 1}", Docker_Upload_UUID="upload")

    def do_PUT(self) -> None:
        body = self.body()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        url = urlsplit(self.path)
        if "/manifests/" in url.path:
            self.server.manifests[url.path] = digest
        else:
            (digest,) = parse_qs(url.query)["digest"]
            self.server.blobs.add(digest)
        self.answer(201, Location=self.path, Docker_Content_Digest=digest)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class')
        """Say nothing."""
