"""Launch lines, as three versions of MPICH printed them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.hydra.lines import (
    MOST_BEFORE_END,
    LaunchLineError,
    LaunchReader,
    ProxyLaunch,
    parse_launch_line,
)

DATA = Path(__file__).parents[2] / "data" / "hydra"
RECORDINGS = sorted(DATA.glob("launch-*.txt"))
LAUNCH_LINES = RECORDINGS[-1].read_bytes()


def read_all(reader: LaunchReader, pieces: list[bytes]) -> bytes:
    return b"".join([*(reader.feed(piece) for piece in pieces), reader.end()])


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_every_version_asks_for_one_proxy_per_host_in_order(recording: Path) -> None:
    """Line K is for host K, whatever arguments the version adds."""
    reader = LaunchReader()

    rest = reader.feed(recording.read_bytes())

    assert reader.is_complete
    assert rest == b""
    assert [launch.proxy_id for launch in reader.launches] == [0, 1, 2, 3]
    assert {launch.control_host for launch in reader.launches} == {"127.0.0.1"}


def test_all_words_after_the_executable_are_passed_on_untouched() -> None:
    """What a newer version adds gets to its proxy."""
    line = "HYDRA_LAUNCH: /opt/hydra_pmi_proxy --control-port h.x:99 --new a=b --proxy-id 7 "

    expected = ProxyLaunch(
        proxy_id=7,
        executable="/opt/hydra_pmi_proxy",
        control_host="h.x",
        control_port=99,
        arguments=("--control-port", "h.x:99", "--new", "a=b", "--proxy-id", "7"),
    )
    assert parse_launch_line(line) == expected
    assert expected.answer() == (
        b"--control-port\nh.x:99\n--new\na=b\n--proxy-id\n7\nHYDRA_LAUNCH_END\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HYDRA_LAUNCH:",
        "HYDRA_LAUNCH: /bin/proxy",
        "HYDRA_LAUNCH: /bin/proxy --control-port host --proxy-id 0",
        "HYDRA_LAUNCH: /bin/proxy --control-port host:1 --proxy-id",
        f"HYDRA_LAUNCH: /bin/proxy --control-port host:1 --proxy-id {5000 * '1'}",
        "HYDRA_LAUNCH: /bin/proxy --control-port host:1 --proxy-id x",
        "HELLO: /bin/proxy --control-port host:1 --proxy-id 0",
    ],
)
def test_a_line_without_what_is_needed_is_refused(line: str) -> None:
    """Nobody starts a proxy from half a line."""
    with pytest.raises(LaunchLineError):
        parse_launch_line(line)


@given(cuts=st.lists(st.integers(0, len(LAUNCH_LINES) + 30)), output=st.binary(max_size=30))
def test_pieces_make_no_difference(cuts: list[int], output: bytes) -> None:
    """However the bytes arrive, the launches are the same and every rank's byte is kept."""
    stdout = LAUNCH_LINES + output
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(stdout)), len(stdout)]
    reader = LaunchReader()

    pieces = [stdout[a:b] for a, b in pairwise(bounds)]

    assert read_all(reader, pieces) == output
    assert len(reader.launches) == 4


def test_what_a_rank_prints_is_never_taken_for_a_launch_line() -> None:
    """After the end everything is output, even another launch line."""
    reader = LaunchReader()

    rest = reader.feed(LAUNCH_LINES + LAUNCH_LINES)

    assert rest == LAUNCH_LINES
    assert len(reader.launches) == 4


def test_other_text_before_the_end_is_passed_on() -> None:
    """A warning of mpiexec neither is lost nor disturbs."""
    reader = LaunchReader()

    assert read_all(reader, [b"warning: x\nHYDRA_LAUNCH_END\nhello", b" world"]) == (
        b"warning: x\nhello world"
    )


def test_output_that_ends_early_is_not_complete() -> None:
    """mpiexec that failed at once is told from one that asked for no proxy."""
    reader = LaunchReader()

    assert read_all(reader, [b"mpiexec: bad"]) == b"mpiexec: bad"
    assert not reader.is_complete


@pytest.mark.parametrize("piece", [bytes(1 << 16), LAUNCH_LINES.splitlines(keepends=True)[0]])
def test_an_mpiexec_that_never_comes_to_an_end_is_given_up(piece: bytes) -> None:
    """It may be one of somebody's image, and memory is not without end."""
    reader = LaunchReader()
    for _ in range(MOST_BEFORE_END // len(piece)):
        reader.feed(piece)
    with pytest.raises(LaunchLineError, match="prints and prints"):
        reader.feed(piece)


def test_a_long_line_is_told_in_short() -> None:
    """And as one without control characters."""
    with pytest.raises(LaunchLineError) as error:
        parse_launch_line("HYDRA_LAUNCH: \x1b " + 100_000 * "x")
    assert len(str(error.value)) < 1000
    assert "\x1b" not in str(error.value)


@given(data=st.data(), output=st.binary(max_size=30))
def test_launch_lines_of_a_spawn_are_told_and_taken_out(data: st.DataObject, output: bytes) -> None:
    """MPICH 3.4.3 writes them word by word, among what ranks write."""
    more = LAUNCH_LINES.replace(b"--pgid 0", b"--pgid 1")
    words = [*re.findall(rb"\S*\s", LAUNCH_LINES + b"before\n" + more), output]
    cuts = data.draw(st.sets(st.integers(1, len(words) - 1)))
    bounds = [0, *sorted(cuts), len(words)]
    reader = LaunchReader()

    pieces = [b"".join(words[a:b]) for a, b in pairwise(bounds)]

    assert read_all(reader, pieces) == b"before\n" + output
    assert reader.wants_more
    assert len(reader.launches) == 4


def test_what_a_rank_writes_does_not_wait_for_the_end_of_its_line() -> None:
    """But where it begins as a launch line does, which is passed on in the end."""
    reader = LaunchReader()
    reader.feed(LAUNCH_LINES)

    assert reader.feed(b"name? H") == b"name? H"
    assert reader.feed(b"\nHYDRA_LAUNCH: is") == b"\n"
    assert reader.feed(b" mine") == b""
    assert reader.end() == b"HYDRA_LAUNCH: is mine"
    assert not reader.wants_more
