"""mpiexec's words about a job's end are left out when they are unwanted, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.hydra.banner import WithoutBanner, WithoutComplaints

DATA = Path(__file__).parents[2] / "data" / "hydra"
BANNERS = {path.name: path.read_bytes() for path in DATA.glob("killed-rank-*.stdout")}


class Collected:
    """What comes out at the other end."""

    def feed(self, data: bytes) -> bytes:
        """Pass on."""
        return data

    def end(self) -> bytes:
        """Add a mark."""
        return b"END"


def run(*pieces: bytes, is_unwanted: bool = True) -> bytes:
    banner = WithoutBanner(Collected())
    banner.is_unwanted = is_unwanted
    return b"".join(map(banner.feed, pieces)) + banner.end()


def test_there_are_banners_of_several_versions() -> None:
    """What the other tests are run with."""
    assert len(BANNERS) >= 3


@pytest.mark.parametrize("name", BANNERS)
def test_a_banner_is_left_out_however_it_arrives(name: str) -> None:
    """Split anywhere, between the ranks' own lines."""
    text = b"before\n" + BANNERS[name] + b"after\n"
    for at in range(0, len(text), 3):
        assert run(text[:at], text[at:]) == b"before\nafter\nEND"
    assert run(*(text[at : at + 1] for at in range(len(text)))) == b"before\nafter\nEND"


@pytest.mark.parametrize("name", BANNERS)
def test_a_banner_that_nobody_minds_stays(name: str) -> None:
    """A rank that was killed by somebody else is worth a banner."""
    assert run(BANNERS[name], is_unwanted=False) == BANNERS[name] + b"END"


@pytest.mark.parametrize("text", [b"", b"\n", b"\n===", b"\n" + b"=" * 83 + b"\n= table\n" * 500])
def test_what_only_looks_like_a_banner_stays(text: bytes) -> None:
    """Programs underline their headings, too."""
    for at in range(0, len(text) + 1, 7):
        assert run(text[:at], text[at:]) == text + b"END"
    assert run(b"x" * 5000 + text) == b"x" * 5000 + text + b"END"


def test_output_is_not_held_for_long() -> None:
    """Only what may be the beginning of a banner waits for more."""
    banner = WithoutBanner(Collected())
    banner.is_unwanted = True
    assert banner.feed(b"line\n=== heading\n") == b"line\n=== heading"
    assert banner.feed(b"line\n===") == b"\nline"


COMPLAINTS = (
    b"[mpiexec@vm] HYDU_sock_write (lib/utils/sock.c:250): write error (Bad file descriptor)\n"
    b"[mpiexec@vm] main (mpiexec/mpiexec.c:270): process manager error waiting for completion\n"
)


def run_stderr(*pieces: bytes, is_unwanted: bool = True) -> bytes:
    complaints = WithoutComplaints(Collected())
    complaints.is_unwanted = is_unwanted
    return b"".join(map(complaints.feed, pieces)) + complaints.end()


def test_complaints_are_left_out_however_they_arrive() -> None:
    """Split anywhere, between the ranks' own lines."""
    text = b"before\n" + COMPLAINTS + b"after"
    for at in range(len(text)):
        assert run_stderr(text[:at], text[at:]) == b"before\nafterEND"
    assert run_stderr(*(text[at : at + 1] for at in range(len(text)))) == b"before\nafterEND"


def test_complaints_that_nobody_minds_stay() -> None:
    """They tell why mpiexec failed."""
    assert run_stderr(COMPLAINTS, is_unwanted=False) == COMPLAINTS + b"END"


@pytest.mark.parametrize(
    "text", [b"", b"[mpi", b"[mpiexec@vm]", b"[mpiexec@vm] says hello\n", b"[mpiexec@" * 500]
)
def test_what_only_looks_like_a_complaint_stays(text: bytes) -> None:
    """Programs put names in brackets, too."""
    for at in range(0, len(text) + 1, 7):
        assert run_stderr(text[:at], text[at:]) == text + b"END"
