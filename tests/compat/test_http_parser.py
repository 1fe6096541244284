"""What http_parser.http.HttpParser answers, asked directly."""

from __future__ import annotations

import logging

import pytest
from http_parser.http import Body, Errno, HttpParser

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: 1\r\na: 2\r\n\r\n"


def parsed(*pieces: bytes) -> HttpParser:
    """A parser that was given the pieces and took them."""
    parser = HttpParser()
    for piece in pieces:
        assert parser.execute(piece, len(piece)) == len(piece)
    return parser


def test_knows_nothing_before_the_head_is_complete() -> None:
    """A head that lacks its last byte answers no question yet."""
    parser = parsed(CHUNKED[:-1])
    assert not parser.is_headers_complete()
    assert parser.get_status_code() == 0
    assert not parser.is_partial_body()
    assert not parser.is_message_complete()


def test_tells_status_and_headers_once_the_head_is_complete() -> None:
    """Names are lower case, and repeated headers are joined."""
    parser = parsed(CHUNKED)
    assert parser.is_headers_complete()
    assert parser.get_status_code() == 200
    assert parser.get_headers() == {"transfer-encoding": "chunked", "a": "1, 2"}
    assert parser.is_chunked()


@pytest.mark.parametrize(
    ("header", "is_chunked"),
    [
        (b"Transfer-Encoding: chunked", True),
        (b"Transfer-Encoding: gzip, Chunked", True),
        (b"Transfer-Encoding: identity", False),
        (b"Content-Length: 3", False),
    ],
)
def test_is_chunked_only_where_the_last_coding_is(header: bytes, is_chunked: bool) -> None:
    """Chunking is always the outermost coding (RFC 9112, 6.1)."""
    assert parsed(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n").is_chunked() == is_chunked


def test_hands_out_each_piece_of_body_once() -> None:
    """recv_body empties what it hands out, chunk framing taken off."""
    parser = parsed(CHUNKED, b"3\r\nabc\r\n2\r\nd")
    assert parser.is_partial_body()
    assert parser.recv_body() == b"abcd"
    assert not parser.is_partial_body()
    assert parser.recv_body() == b""
    rest = b"e\r\n0\r\n\r\n"
    assert parser.execute(rest, len(rest)) == len(rest)
    assert parser.recv_body() == b"e"
    assert parser.is_message_complete()


def test_parses_only_the_length_it_is_told() -> None:
    """Bytes of the buffer past `length` do not count."""
    parser = HttpParser()
    assert parser.execute(CHUNKED + b"zz", len(CHUNKED)) == len(CHUNKED)
    assert parser.get_errno() == Errno.OK


def test_an_error_stays_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Fewer bytes than given count as parsed, now and for all that follows."""
    parser = parsed(CHUNKED)
    with caplog.at_level(logging.ERROR, logger="http_parser"):
        assert parser.execute(b"zz\r\n", 4) < 4
    assert parser.get_errno() == Errno.NOT_HTTP
    assert caplog.messages == ["Not an HTTP response: Invalid character in chunk size"]
    assert parser.execute(b"1\r\na\r\n", 6) < 6


def test_is_not_taken_for_the_pure_python_parser() -> None:
    """pymesos asks for an attribute `errno` to tell the two parsers apart."""
    assert not hasattr(HttpParser(), "errno")


@pytest.mark.parametrize(
    "after",
    [
        b"garbage",
        b"HTTP/1.1 404 Not Found\r\nA: 9\r\nContent-Length: 3\r\n\r\nxyz",
        b"HTTP/1.1 404 Not Found\r\nA: 9\r\n",
    ],
)
@pytest.mark.parametrize("in_one_piece", [True, False])
def test_ignores_what_follows_the_end(after: bytes, in_one_piece: bool) -> None:
    """One parser reads one response; nothing after it changes what was read."""
    response = CHUNKED + b"1\r\na\r\n0\r\nTrailer: 1\r\n\r\n"
    parser = parsed(response + after) if in_one_piece else parsed(response, after)
    assert parser.get_status_code() == 200
    assert parser.get_headers() == {"transfer-encoding": "chunked", "a": "1, 2"}
    assert parser.recv_body() == b"a"
    assert parser.is_message_complete()
    assert parser.get_errno() == Errno.OK


def test_ignores_data_after_a_closing_response_and_an_upgrade() -> None:
    """The two kinds of end that httptools reports by raising count as an end too."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"
    upgrade = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    assert parsed(closing + b"more").recv_body() == b"a"
    assert parsed(upgrade + b"more").get_status_code() == 101


def test_a_body_takes_text_and_prints_as_text() -> None:
    """Both ways in which pymesos makes a message of a body give readable text."""
    body = Body("Zürich".encode())
    body += " ..."
    assert f"{body}" == "Zürich ..."
    assert b"" + body + b"!" == "Zürich ...!".encode()
