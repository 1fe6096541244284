"""What mpiexec says of a job's end: left out when mrunkit has ended the job.

Pure. Owns the form of both, as MPICH 3.4.3 to 5.0.2 print them: on stdout a banner about a rank
that was ended by a signal, on stderr lines about proxies that are gone. Refuses to leave out
anything before it is told to.
"""

from __future__ import annotations

import re

from .relay import Transform

_RULE = b"=" * 83 + b"\n"
_BEGIN = b"\n" + _RULE + b"=   BAD TERMINATION"
_BANNER = re.compile(
    _BEGIN + rb" .*\n(?:=   .*\n)*" + _RULE + rb"(?:YOUR APPLICATION .*\n)?"
    rb"(?:This typically refers .*\n)?(?:Please see the FAQ .*\n)?"
)
_MPIEXEC = b"[mpiexec@"
_COMPLAINT = re.compile(rb"^\[mpiexec@[^\]\n]+\] \w+ \([^()\n]+\): .*\n", re.MULTILINE)
_LONGEST = 2048
"""Bytes; the banner has about 700, a line 200."""


class WithoutBanner:
    """Passes bytes on, without the banner once that is unwanted; implements Transform."""

    def __init__(self, inner: Transform) -> None:
        self.is_unwanted = False
        """May be set by another thread than the one that feeds."""
        self._inner = inner
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; what may be the beginning of a banner is held until more has come."""
        if not self.is_unwanted:
            return self._inner.feed(data)
        text = self._held + data
        at = _begin_in(text)
        if len(text) - at < _LONGEST:
            passed, self._held = text[:at], text[at:]
        else:
            passed, self._held = _BANNER.sub(b"", text), b""
        return self._inner.feed(passed)

    def end(self) -> bytes:
        """Pass on what is left."""
        rest, self._held = _BANNER.sub(b"", self._held), b""
        return self._inner.feed(rest) + self._inner.end()


class WithoutComplaints:
    """Passes bytes on, without mpiexec's own lines once they are unwanted; implements Transform."""

    def __init__(self, inner: Transform) -> None:
        self.is_unwanted = False
        """May be set by another thread than the one that feeds."""
        self._inner = inner
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; a last line that may be mpiexec's is held until it is whole."""
        if not self.is_unwanted:
            return self._inner.feed(data)
        text = self._held + data
        at = text.rfind(b"\n") + 1
        begin = text[at : at + len(_MPIEXEC)]
        if not _MPIEXEC.startswith(begin) or len(text) - at > _LONGEST:
            at = len(text)
        passed, self._held = _COMPLAINT.sub(b"", text[:at]), text[at:]
        return self._inner.feed(passed)

    def end(self) -> bytes:
        """Pass on what is left."""
        rest, self._held = self._held, b""
        return self._inner.feed(rest) + self._inner.end()


def _begin_in(text: bytes) -> int:
    """Where a banner begins, or may begin with the bytes to come; the length if nowhere."""
    at = text.find(_BEGIN)
    if at >= 0:
        return at
    starts = (len(text) - size for size in range(min(len(text), len(_BEGIN) - 1), 0, -1))
    return next((at for at in starts if _BEGIN.startswith(text[at:])), len(text))
