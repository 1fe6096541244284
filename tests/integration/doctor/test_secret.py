"""To whom a host's probe sends a secret: real sockets, of root and of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mrunkit.provision.doctor import probe

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be others")

LISTEN = """
import os, pwd, socket
os.setuid(pwd.getpwnam("nobody").pw_uid)
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    connection, _ = listening.accept()
    print(connection.recv(4096), flush=True)
"""


class Master(BaseHTTPRequestHandler):
    """Notes what it is told, and sends those who ask for /slaves to another."""

    told: list[str | None]
    leader = ""

    def do_GET(self) -> None:
        """As a master that does not lead does."""
        self.told.append(self.headers["Authorization"])
        self.send_response(307 if self.leader else 200)
        self.send_header("Location", self.leader)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def master(leader: str = "") -> Iterator[tuple[str, list[str | None]]]:
    """The URL of one, and what it is told."""
    told: list[str | None] = []
    handler = type("Handler", (Master,), {"told": told, "leader": leader})
    with HTTPServer(("0.0.0.0", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/slaves", told
        finally:
            server.shutdown()
            serving.join()


def ask(url: str, user: str = "mrunkit") -> dict[str, object]:
    """As doctor asks a master."""
    return probe.Host().get(url=url, user=user, secret="s3cret" if user else "", seconds=5.0)


def test_root_is_told_the_secret() -> None:
    """At the wildcard, which takes the connections of all addresses."""
    with master() as (url, told):
        assert ask(url)["status"] == 200
    assert told == ["Basic bXJ1bmtpdDpzM2NyZXQ="]


def test_somebody_else_is_not() -> None:
    """Who holds the port while the master is down; who that is, is told."""
    words = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        answer = ask(f"http://127.0.0.1:{port}/slaves")
        other.kill()
        assert other.stdout.read() == ""
    assert answer == {
        "status": 0,
        "body": f"127.0.0.1:{port} is held by nobody, not by root, and was not told the secret",
    }


def test_where_nobody_listens_nobody_is_asked() -> None:
    """As a refused connection says."""
    with master() as (url, _):
        pass
    host = url.split("/")[2]
    assert ask(url) == {"status": 0, "body": f"nothing listens at {host}"}


def test_the_secret_does_not_follow_to_where_a_master_points() -> None:
    """That one's host is asked itself, and looked at before."""
    with master() as (leading, told), master(leader=leading) as (url, told_first):
        assert ask(url)["status"] == 307
    assert (len(told_first), told) == (1, [])
