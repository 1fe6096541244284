"""pymesos' own Connection on our HttpParser, over TCP, with a real master's bytes cut anywhere."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LAST_CHUNK = b"0\r\n\r\n"
STREAM_ID = "e1c8d296-9682-4372-8a08-2de1ed6b336b"
# Not in the recordings, which are of a master without authentication.
UNAUTHORIZED = (
    b"HTTP/1.1 401 Unauthorized\r\n"
    b'WWW-Authenticate: Basic realm="mesos-master-scheduler"\r\n'
    b"Content-Length: 17\r\n\r\n"
    b"401 Unauthorized."
)
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: id\r\n\r\n"
RECEIVE_TIMEOUT = 30.0  # seconds; nothing here waits unless something is broken
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # thousands of connections would stay in TIME_WAIT


@dataclass
class Framework:
    """What pymesos calls back: notes what it is told, like `pymesos.process.Process`."""

    events: list[Any] = field(default_factory=list)
    stream_id: str | None = None
    new_master: str | None = None
    failure: str | None = None

    def gen_request(self) -> bytes:
        """Nothing to say: the answers here do not depend on a request."""
        return b""

    def process_event(self, event: Any) -> None:
        """Note an event."""
        self.events.append(event)

    def change_master(self, new_master: str) -> None:
        """Note where the master sends us."""
        self.new_master = new_master

    def on_close(self) -> None:
        """Nothing to do."""


Receive = Callable[[Iterable[bytes]], Framework]


@pytest.fixture(scope="module")
def receive(pymesos_process: ModuleType) -> Iterator[Receive]:
    """Let a pymesos Connection receive pieces one by one, then the end of the stream."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def receive_pieces(pieces: Iterable[bytes]) -> Framework:
            framework = Framework()
            connection = pymesos_process.Connection(address, framework)
            with contextlib.closing(connection), listener.accept()[0] as master:
                master.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                try:
                    _receive(connection, master, pieces)
                except RuntimeError as error:
                    framework.failure = str(error)
            return framework

        yield receive_pieces


def _receive(connection: Any, master: socket.socket, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        master.sendall(piece)
        _await_bytes(connection)
        while _is_readable(connection, timeout=0):
            if not connection.read():
                return
    master.shutdown(socket.SHUT_WR)
    while connection.read():
        _await_bytes(connection)


def _await_bytes(connection: Any) -> None:
    assert _is_readable(connection, timeout=RECEIVE_TIMEOUT), "what was sent did not arrive"


def _is_readable(connection: Any, *, timeout: float) -> bool:
    return bool(select.select([connection], [], [], timeout)[0])


def two_pieces(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Every way to cut an answer in two, with the place of the cut."""
    for cut in range(1, len(answer)):
        yield cut, [answer[:cut], answer[cut:]]


def single_bytes(answer: bytes) -> list[bytes]:
    """An answer, byte by byte."""
    return [answer[i : i + 1] for i in range(len(answer))]


def records_of(subscribe: bytes) -> list[tuple[int, Any]]:
    """The recorded events, each with the place in the answer where it ends."""
    lines = [line for line in subscribe.split(b"\r\n") if b"\n{" in line]
    ends = [subscribe.index(line) + len(line) for line in lines]
    return [
        (end, json.loads(line.split(b"\n", 1)[1])) for end, line in zip(ends, lines, strict=True)
    ]


def test_events_arrive_wherever_the_stream_is_cut_in_two(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """The recorded SUBSCRIBE answer gives the same events for every place of a cut."""
    answer = recorded["subscribe"] + LAST_CHUNK
    expected = Framework(
        events=[event for _, event in records_of(recorded["subscribe"])], stream_id=STREAM_ID
    )
    assert [event["type"] for event in expected.events] == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
    different = {cut: got for cut, two in two_pieces(answer) if (got := receive(two)) != expected}
    assert different == {}


def test_events_arrive_byte_by_byte(receive: Receive, recorded: dict[str, bytes]) -> None:
    """The recorded SUBSCRIBE answer, a byte at a time, gives the same events."""
    expected = Framework(
        events=[event for _, event in records_of(recorded["subscribe"])], stream_id=STREAM_ID
    )
    assert receive(single_bytes(recorded["subscribe"] + LAST_CHUNK)) == expected


@settings(max_examples=60)
@given(data=st.data())
def test_events_do_not_depend_on_chunks_or_packets(receive: Receive, data: st.DataObject) -> None:
    """Records may span chunks, chunks may span packets, and both be longer than a read of 4 KiB."""
    texts = data.draw(st.lists(st.text(max_size=40) | st.just("x" * 9000), max_size=5))
    events = [{"type": "MESSAGE", "text": text} for text in texts]
    bodies = [json.dumps(event).encode() for event in events]
    stream = b"".join(b"%d\n%s" % (len(body), body) for body in bodies)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in cut_up(data, stream))
    answer = CHUNKED_HEAD + chunks + LAST_CHUNK
    assert receive(cut_up(data, answer)) == Framework(events=events, stream_id="id")


def cut_up(data: st.DataObject, content: bytes) -> list[bytes]:
    """The content in pieces of any length, none empty."""
    cuts = data.draw(st.sets(st.integers(1, max(1, len(content) - 1)), max_size=12))
    places = [0, *sorted(cuts), len(content)]
    pieces = [content[start:end] for start, end in itertools.pairwise(places)]
    return [piece for piece in pieces if piece]


def test_a_stream_that_breaks_off_gives_the_events_that_were_complete(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """Wherever the master goes away, what had fully arrived counts and nothing fails."""
    answer = recorded["subscribe"]
    head_length = answer.index(b"\r\n\r\n") + 4
    different = {}
    for cut in range(1, len(answer) + 1):
        expected = Framework(
            events=[event for end, event in records_of(answer) if end <= cut],
            stream_id=STREAM_ID if cut >= head_length else None,
        )
        if (got := receive([answer[:cut]])) != expected:
            different[cut] = got
    assert different == {}


def test_bytes_after_the_end_of_the_stream_do_no_harm(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """A next response, or garbage, in the packet with the last chunk is not an error."""
    answer = recorded["subscribe"] + LAST_CHUNK
    expected = receive([answer])
    assert len(expected.events) == 3
    assert receive([answer + recorded["bad_request"]]) == expected
    assert receive([answer + b"garbage"]) == expected


def test_a_malformed_chunk_is_an_error_wherever_the_stream_is_cut(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """pymesos gives up with the parser's code, having told what came in earlier packets."""
    answer = recorded["subscribe"].replace(b"\r\n17\r\n", b"\r\nzz\r\n")
    end, subscribed = records_of(recorded["subscribe"])[0]
    bad_byte = answer.index(b"zz\r\n")
    different = {}
    for cut, two in two_pieces(answer):
        got = receive(two)
        expected = [subscribed] if end <= cut <= bad_byte else []
        if (got.events, got.failure) != (expected, "Failed to parse, code:1"):
            different[cut] = got
    assert different == {}


def test_a_redirect_names_the_leading_master_wherever_it_is_cut(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """307 changes the master, once, and is not an error."""
    answer = recorded["redirect"]
    expected = Framework(new_master="localhost:5050")
    different = {cut: got for cut, two in two_pieces(answer) if (got := receive(two)) != expected}
    assert different == {}
    assert receive(single_bytes(answer)) == expected


def test_an_unavailable_master_is_left_without_an_error(
    receive: Receive, recorded: dict[str, bytes]
) -> None:
    """503 ends the connection, to be tried again."""
    answer = recorded["unavailable"]
    different = {
        cut: got for cut, two in two_pieces(answer) if (got := receive(two)) != Framework()
    }
    assert different == {}
    assert receive(single_bytes(answer)) == Framework()


@pytest.mark.parametrize("name", ["bad_request", "unauthorized"])
def test_an_http_error_says_what_the_master_says(
    receive: Receive, recorded: dict[str, bytes], name: str
) -> None:
    """The message holds the body as far as it came with the head, and says if there is more."""
    answer = {**recorded, "unauthorized": UNAUTHORIZED}[name]
    head, body = answer.split(b"\r\n\r\n")
    status = head.split()[1].decode()
    different = {}
    for cut, two in two_pieces(answer):
        came = body.decode()
        if cut >= len(head) + 4:
            came = body[: cut - len(head) - 4].decode() + " ..."
        expected = Framework(failure=f"Failed with HTTP {status}: {came}")
        if (got := receive(two)) != expected:
            different[cut] = got
    assert different == {}
    assert receive([answer]).failure == f"Failed with HTTP {status}: {body.decode()}"


def test_an_answer_that_is_no_stream_is_an_error(receive: Receive) -> None:
    """200 with a length is some other server than a Mesos master."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert receive([answer]) == Framework(failure="Response is not chunked")
