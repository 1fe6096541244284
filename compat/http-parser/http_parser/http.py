"""The `HttpParser` of pymesos: one HTTP response, read as its bytes come in.

Owns the translation from httptools' callbacks to the questions that pymesos asks after each
piece. Refuses to parse requests, to decompress, and to go on to a second response.
"""

from __future__ import annotations

import logging
from enum import Enum, IntEnum, auto

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["Body", "Errno", "HttpParser"]

logger = logging.getLogger(__name__)


class Errno(IntEnum):
    """What `HttpParser.get_errno` answers."""

    OK = 0
    """All bytes so far were HTTP."""
    NOT_HTTP = 1
    """Some byte was not; the parser is of no further use."""


class Body(bytes):
    """Bytes of a body, to which text may be added, and which print as text.

    pymesos 0.3.15 makes its message about an HTTP error with `body + " ..."` and `"%s" % body`.
    """

    def __add__(self, other: bytes | str) -> Body:  # type: ignore[override]
        """Append bytes, or text in UTF-8."""
        return Body(super().__add__(other.encode() if isinstance(other, str) else other))

    def __str__(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.decode("utf-8", errors="replace")


class HttpParser:
    """Parses one response; ask it what it has after each `execute`."""

    def __init__(self) -> None:
        self._response = _Response()
        self._errno = Errno.OK

    def execute(self, data: bytes, length: int) -> int:
        """Parse the first `length` bytes of `data`; answers `length`, or 0 if they are not HTTP."""
        if self._errno is Errno.NOT_HTTP:
            return 0
        try:
            self._response.feed(data[:length])
        except HttpParserError as error:
            logger.error("Not an HTTP response: %s", error)
            self._errno = Errno.NOT_HTTP
            return 0
        return length

    def get_errno(self) -> int:
        """Whether `execute` failed: one of `Errno`."""
        return self._errno

    def is_headers_complete(self) -> bool:
        """The head is there: status and headers can be asked for."""
        return self._response.stage is not _Stage.HEAD

    def get_status_code(self) -> int:
        """The status, 0 before the headers are complete."""
        return self._response.status

    def get_headers(self) -> dict[str, str]:
        """The headers by their names in lower case; repeated ones joined with a comma."""
        return dict(self._response.headers)

    def is_chunked(self) -> bool:
        """The body comes in chunks (Transfer-Encoding: chunked)."""
        codings = self._response.headers.get("transfer-encoding", "")
        return codings.rpartition(",")[2].strip().lower() == "chunked"

    def is_partial_body(self) -> bool:
        """There is a piece of body that `recv_body` has not yet handed out."""
        return bool(self._response.body)

    def recv_body(self) -> Body:
        """Hand out what came of the body since the last call, without its chunk framing."""
        body = Body(b"".join(self._response.body))
        self._response.body.clear()
        return body

    def is_message_complete(self) -> bool:
        """The response is at its end."""
        return self._response.is_complete


class _Stage(Enum):
    """How far a response has come in."""

    HEAD = auto()
    BODY = auto()
    END = auto()


class _Response:
    """What has come in of a response. httptools calls the methods named `on_`."""

    def __init__(self) -> None:
        self.stage = _Stage.HEAD
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self._parser = HttpResponseParser(self)

    @property
    def is_complete(self) -> bool:
        return self.stage is _Stage.END

    def feed(self, data: bytes) -> None:
        """Take in bytes; raises HttpParserError where they are not HTTP."""
        if self.is_complete:
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            # httptools goes on to a next response; what follows the end of this one is dropped.
            if not self.is_complete:
                raise

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is not _Stage.HEAD:
            return  # a trailer, or the next response
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self.stage is _Stage.HEAD:
            self.status = self._parser.get_status_code()
            self.stage = _Stage.BODY

    def on_body(self, piece: bytes) -> None:
        if self.stage is _Stage.BODY:
            self.body.append(piece)

    def on_message_complete(self) -> None:
        self.stage = _Stage.END
