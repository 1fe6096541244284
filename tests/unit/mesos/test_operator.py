"""What is asked of a master over HTTP, and what is said when it cannot be had."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from in_background import in_background

from mrunkit.mesos.address import HostPort, MasterUnreachableError
from mrunkit.mesos.operator import Credentials, MasterRefusedError, Operator, redirect_target
from mrunkit.mesos.wire import FrameworkSpec

SLAVES = Path(__file__).parents[2] / "data" / "mesos-wire" / "slaves.json"


@dataclass
class Answer:
    """What the server answers to everything."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serving(answer: Callable[[str, Mapping[str, str]], Answer]) -> Iterator[HostPort]:
    """A server on loopback that answers by path and headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = answer(self.path, self.headers)  # type: ignore[arg-type]
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with in_background(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield HostPort(host="127.0.0.1", port=server.server_port)


def test_the_version_and_the_agents_are_read() -> None:
    """From the two endpoints that a job asks."""
    bodies = {
        "/version": json.dumps({"version": "1.11.0"}).encode(),
        "/slaves": SLAVES.read_bytes(),
    }
    with serving(lambda path, _: Answer(body=bodies[path])) as master:
        operator = Operator(master=master)
        assert operator.version() == "1.11.0"
        assert [agent.hostname for agent in operator.agents()] == ["host1"]


PLAIN, RICH = "host0", "host1"


def with_gpus() -> bytes:
    """The recorded agent, and one like it that has two GPUs."""
    (recorded,) = json.loads(SLAVES.read_bytes())["slaves"]
    amounts = {**recorded["unreserved_resources"], "gpus": 2.0}
    rich = {**recorded, "hostname": RICH, "unreserved_resources": amounts}
    return json.dumps({"slaves": [{**recorded, "hostname": PLAIN}, rich]}).encode()


@pytest.mark.parametrize(
    ("flags", "uses_gpus", "offered", "kept"),
    [
        ('{"flags": {"filter_gpu_resources": "true"}}', False, [PLAIN], [RICH]),
        ('{"flags": {"filter_gpu_resources": "true"}}', True, [PLAIN, RICH], []),
        ('{"flags": {"filter_gpu_resources": "false"}}', False, [PLAIN, RICH], []),
        ('{"flags": null}', False, [PLAIN, RICH], []),
        ("not for you", False, [PLAIN, RICH], []),
    ],
)
def test_agents_with_gpus_are_kept_if_the_master_says_so(
    flags: str, uses_gpus: bool, offered: list[str], kept: list[str]
) -> None:
    """Else nobody would say why their offers never come."""
    bodies = {"/flags": flags.encode(), "/slaves": with_gpus()}
    framework = FrameworkSpec(name="j", user="u", uses_gpus=uses_gpus)
    with serving(lambda path, _: Answer(body=bodies[path])) as master:
        capacity = Operator(master=master).capacity(framework)
    assert capacity is not None
    assert [agent.hostname for agent in capacity.agents] == offered
    assert [agent.hostname for agent in capacity.kept_for_gpus] == kept


def test_the_leader_is_followed() -> None:
    """A master that does not lead answers with the address of the one that does."""
    with serving(lambda *_: Answer(body=b'{"version": "1.11.0"}')) as leader:
        moved = Answer(status=307, body=b"", headers={"Location": f"//{leader}/version"})
        with serving(lambda *_: moved) as follower:
            assert Operator(master=follower).version() == "1.11.0"


def test_redirects_in_a_circle_end() -> None:
    """Two masters that each take the other for the leader."""
    circle = Answer(status=307, body=b"", headers={"Location": "/"})
    with serving(lambda *_: circle) as master, pytest.raises(MasterUnreachableError):
        Operator(master=master).version()


def test_credentials_are_sent() -> None:
    """As HTTP basic authentication, to the leader as well."""
    expected = "Basic bWU6czNjcmV0"

    def answer(_: str, headers: Mapping[str, str]) -> Answer:
        is_known = headers.get("Authorization") == expected
        return Answer(body=b'{"version": "1.11.0"}') if is_known else Answer(status=401)

    with serving(answer) as leader:
        moved = Answer(status=307, body=b"", headers={"Location": f"//{leader}"})
        with serving(lambda *_: moved) as follower:
            credentials = Credentials(principal="me", secret="s3cret")
            assert credentials.header == expected
            assert Operator(master=follower, credentials=credentials).version() == "1.11.0"


@pytest.mark.parametrize(
    ("status", "what"), [(401, "does not know us"), (403, "does not allow this")]
)
def test_a_refusal_names_the_options(status: int, what: str) -> None:
    """It is not that the master is not there."""
    refusing = Answer(status=status)
    with serving(lambda *_: refusing) as master, pytest.raises(MasterRefusedError) as raised:
        Operator(master=master).agents()
    assert str(raised.value) == f"the master at {master} {what} (HTTP {status})"
    assert str(raised.value.remedy).startswith("give the right --principal and --secret-file")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>"),
        Answer(body=b"[1]"),
        Answer(body=b'{"name": "something else"}'),
        Answer(status=404, body=b'{"version": "1"}'),
    ],
)
def test_what_is_no_master_is_told(answer: Answer) -> None:
    """Another web server, or an agent's neighbour, on the port."""
    with serving(lambda *_: answer) as master, pytest.raises(MasterUnreachableError) as raised:
        Operator(master=master).version()
    assert str(raised.value) == f"what answers at {master} is not a Mesos master"
    assert raised.value.remedy == f"check the port: a master's own is 5050, not {master.port}"


def test_a_server_that_speaks_no_http_is_told() -> None:
    """An SSH server, for instance."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = HostPort(host="127.0.0.1", port=server.getsockname()[1])

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        thread = Thread(target=greet)
        thread.start()
        with pytest.raises(MasterUnreachableError, match="is not a Mesos master"):
            Operator(master=master).version()
        thread.join()


def test_a_port_where_nobody_listens_is_told() -> None:
    """The most usual mistake, after the spelling."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MasterUnreachableError) as raised:
        Operator(master=HostPort(host="127.0.0.1", port=port)).version()
    assert str(raised.value) == f"nothing listens at 127.0.0.1:{port}"


def test_an_unknown_host_is_told() -> None:
    """This name is too long for DNS, so that the resolver asks nobody."""
    name = ".".join(["a" * 60] * 5)
    with pytest.raises(MasterUnreachableError) as raised:
        Operator(master=HostPort(host=name, port=5050)).version()
    assert str(raised.value) == f"the master's host {name!r} is unknown"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("//10.0.0.2:5051", HostPort(host="10.0.0.2", port=5051)),
        ("http://leader:5051/slaves", HostPort(host="leader", port=5051)),
        ("//leader", HostPort(host="leader", port=5050)),
        ("/slaves", HostPort(host="origin", port=5050)),
        ("//leader:99999", HostPort(host="origin", port=5050)),
        ("http://[::1/slaves", HostPort(host="origin", port=5050)),
    ],
)
def test_a_redirect_is_read(location: str, expected: HostPort) -> None:
    """Masters leave out the scheme, and may leave out the port."""
    assert redirect_target(location, HostPort(host="origin", port=5050)) == expected


def test_a_secret_is_not_told_by_the_way() -> None:
    """In a log or a traceback's locals, say."""
    assert "s3cret" not in repr(Credentials(principal="me", secret="s3cret"))
