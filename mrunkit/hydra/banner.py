"""mpiexec's banner about a rank that was ended by a signal: left out when the signal was ours.

Pure. Owns its form, as MPICH 3.4.3 to 5.0.2 print it on stdout; refuses to leave out anything
before it is told to.
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
_LONGEST = 2048
"""Bytes; it has about 700."""


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


def _begin_in(text: bytes) -> int:
    """Where a banner begins, or may begin with the bytes to come; the length if nowhere."""
    at = text.find(_BEGIN)
    if at >= 0:
        return at
    starts = (len(text) - size for size in range(min(len(text), len(_BEGIN) - 1), 0, -1))
    return next((at for at in starts if _BEGIN.startswith(text[at:])), len(text))
