"""Connections from host to host, and from hosts to what this machine has for them."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from container_hosts import LabHosts

LISTEN = """
import socket
server = socket.create_server(("", 7777))
server.settimeout(60)
print("listening", flush=True)
server.accept()
"""
CONNECT = "import socket; socket.create_connection(('{}', {}), timeout=3)"


def connects(hosts: LabHosts, source: str, target: str, port: int) -> bool:
    """Whether a connection from one host to another's port comes about."""
    hosts.docker("exec", "-d", hosts.containers[target], "python3", "-c", LISTEN)
    listening = "until ss -tln | grep -q :7777; do sleep 0.1; done"
    hosts.on(target, "timeout", "30", "sh", "-c", listening)
    command = CONNECT.format(hosts.addresses[target], port)
    done = hosts.docker("exec", hosts.containers[source], "python3", "-c", command, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def served(directory: Path, address: str) -> Iterator[int]:
    """The directory over HTTP; gives the port."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
