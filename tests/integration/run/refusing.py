"""What stands between a job and its master, and answers some calls in the master's place."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from contextlib import suppress


class Refusing(socketserver.ThreadingTCPServer):
    """Hands on what it gets to the master at `port`, but for ACCEPT.

    That has `status`, such as `400 Bad Request`, and `said`, with the request for REQUEST in it.
    """

    daemon_threads = True

    def __init__(self, port: int, status: str, said: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.port = port
        self.status = status
        self.said = said
        self.refused = b""


class _Handler(socketserver.StreamRequestHandler):
    server: Refusing

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as master:
            answers = threading.Thread(target=self._hand_back, args=(master,))
            answers.start()
            with suppress(OSError):
                while request := self._read_request():
                    if b'"type": "ACCEPT"' in request:
                        self.server.refused = request
                        self._refuse(request)
                    else:
                        master.sendall(request)
                master.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _refuse(self, request: bytes) -> None:
        said = self.server.said.replace(b"REQUEST", request.partition(b"\r\n\r\n")[2])
        location = "Location: //127.0.0.1:1\r\n" if self.server.status.startswith("307") else ""
        head = f"HTTP/1.1 {self.server.status}\r\n{location}Content-Length: {len(said)}\r\n\r\n"
        self.wfile.write(head.encode() + said)

    def _hand_back(self, master: socket.socket) -> None:
        with suppress(OSError):
            while data := master.recv(65536):
                self.connection.sendall(data)
            self.connection.shutdown(socket.SHUT_RDWR)

    def _read_request(self) -> bytes:
        head = b""
        while line := self.rfile.readline():
            head += line
            if line == b"\r\n":
                break
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + (self.rfile.read(int(length[1])) if length else b"")
