"""A master that does not lead sends to the one that does, as far as it knows."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from client import HELLO, Mrunkit
from in_background import in_background
from served import Served


class Follower(ThreadingHTTPServer):
    """A master that sends all who subscribe to `leader`, at first to itself."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self.leader = self.address
        self.subscribers = 0


class _Handler(BaseHTTPRequestHandler):
    server: Follower

    def do_GET(self) -> None:
        body = b'{"version": "1.11.0"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.subscribers += 1
        self.send_response(307)
        self.send_header("Location", f"//{self.server.leader}/api/v1/scheduler")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_masters_without_a_leader_are_asked_again_after_a_pause(
    mrunkit: Mrunkit, cluster: Served
) -> None:
    """For some seconds after a leader is gone, masters send to it still, even itself."""
    with in_background(Follower()) as master:
        job = mrunkit.start_run(master.address, HELLO)
        job.until_said(f"{master.address} does not lead, and sends to {master.address}; trying")
        master.leader = cluster.address
        ended = job.wait()
    assert (ended.status, len(ended.lines)) == (0, 1), ended
    # Each time it is said, two were sent to each other, and the last one came to the leader.
    assert master.subscribers <= 2 * ended.stderr.count("does not lead") + 2
