"""Labelled output: every line with the rank that wrote it, and never half a line.

Hydra's own -prepend-rank puts the label before each piece that it happens to read, in the
middle of lines too, and lets pieces of different ranks share a line. So it is made to put
a mark there that text does not hold, and the lines are put together again here. Pure.
"""

from __future__ import annotations

import re

_BEGIN = b"\x1e"
_END = b"\x1f"
_MARK = re.compile(_BEGIN + rb"\d+" + _END)

MARK_PATTERN = (_BEGIN + b"%r" + _END).decode()
"""What mpiexec is to write before each piece of a rank's output."""

LONGEST_LINE = 1 << 20
"""Bytes of an unfinished line that are kept for one rank before they are let go."""


class LabelledLines:
    """Turns one marked stream of mpiexec into lines labelled `[RANK] `."""

    def __init__(self) -> None:
        self._undecided = b""
        self._rank: bytes | None = None
        self._unfinished: dict[bytes | None, bytes] = {}

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the stream; returns the lines that it completes."""
        first, *marked = (self._undecided + data).split(_BEGIN)
        self._undecided = b""
        lines = [self._lines_of(first)]
        for number, piece in enumerate(marked, start=1):
            rank, mark_end, text = piece.partition(_END)
            if mark_end and rank.isdigit():
                self._rank = rank
                lines.append(self._lines_of(text))
            elif number == len(marked) and not mark_end and len(piece) < 12:
                self._undecided = _BEGIN + piece
            else:  # the rank's own byte, not a mark
                lines.append(self._lines_of(_BEGIN + piece))
        return b"".join(lines)

    def end(self) -> bytes:
        """Take note of the stream's end; returns the lines that never got theirs."""
        text = self._lines_of(self._undecided)
        self._undecided = b""
        rests = [_label(rank) + rest + b"\n" for rank, rest in self._unfinished.items() if rest]
        self._unfinished.clear()
        return text + b"".join(rests)

    def _lines_of(self, text: bytes) -> bytes:
        if not text:
            return b""
        complete, newline, rest = (self._unfinished.get(self._rank, b"") + text).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            complete, newline, rest = complete + newline + rest, b"\n", b""
        self._unfinished[self._rank] = rest
        if not newline:
            return b""
        label = _label(self._rank)
        return label + complete.replace(b"\n", b"\n" + label) + b"\n"


def _label(rank: bytes | None) -> bytes:
    return b"" if rank is None else b"[" + rank + b"] "


def without_marks(data: bytes) -> bytes:
    """Return `data` as it would be, had mpiexec not put marks into it."""
    return _MARK.sub(b"", data)
