"""Lines labelled with their rank."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mrunkit.hydra.labels import LONGEST_LINE, LabelledLines, without_marks


def mark(rank: int) -> bytes:
    return b"\x1e%d\x1f" % rank


def labelled(*pieces: bytes) -> bytes:
    lines = LabelledLines()
    return b"".join([*(lines.feed(piece) for piece in pieces), lines.end()])


def test_pieces_of_two_ranks_do_not_share_a_line() -> None:
    """As mpiexec mixes them: recorded from two ranks that wrote half lines in turn."""
    stream = mark(0) + b"par" + mark(1) + b"par" + mark(0) + b"tial\n" + mark(0) + b"two\n"
    stream += mark(1) + b"tial\n"

    assert labelled(stream) == b"[0] partial\n[0] two\n[1] partial\n"


def test_a_last_line_without_its_end_is_not_lost() -> None:
    """It gets the end that it lacks, so that the next rank's begins a line."""
    assert labelled(mark(0) + b"a" + mark(1) + b"b\n") == b"[1] b\n[0] a\n"


def test_a_byte_that_looks_like_a_mark_is_kept() -> None:
    """A rank may print it; only its label may suffer."""
    assert labelled(mark(3) + b"x\x1ey\x1f\x1e\n") == b"[3] x\x1ey\x1f\x1e\n"


def test_a_line_without_end_is_let_go_some_day() -> None:
    """Memory is bounded, whatever a rank writes."""
    lines = LabelledLines()

    assert lines.feed(mark(0) + b"x" * (LONGEST_LINE + 1)).startswith(b"[0] xxx")


def test_text_before_any_mark_is_mpiexecs_own() -> None:
    """It has no rank."""
    assert labelled(b"warning\n" + mark(0) + b"a\n") == b"warning\n[0] a\n"


TEXT = st.binary(max_size=20).map(lambda text: text.replace(b"\x1e", b"").replace(b"\x1f", b""))


@given(
    writes=st.lists(st.tuples(st.integers(0, 12), TEXT), max_size=20),
    cuts=st.lists(st.integers(0, 400)),
)
def test_each_ranks_text_is_whole_and_in_order(
    writes: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    """However mpiexec's bytes are cut, each rank's lines come out as it wrote them."""
    stream = b"".join(mark(rank) + text.replace(b"\n", b"\n" + mark(rank)) for rank, text in writes)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]

    lines = labelled(*(stream[a:b] for a, b in pairwise(bounds))).split(b"\n")

    for rank in range(13):
        text = b"".join(part for writer, part in writes if writer == rank)
        expected = text.removesuffix(b"\n").split(b"\n") if text else []
        label = b"[%d] " % rank
        assert [x.removeprefix(label) for x in lines if x.startswith(label)] == expected
    assert without_marks(stream) == b"".join(text for _, text in writes)
