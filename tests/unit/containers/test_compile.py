"""What mpicc is run with: arguments, mounts, and what is refused before any container."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.containers.compile import CompileRequest, compile_request
from mrunkit.errors import UsageError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory with a source, beside another one."""
    for file in ("work/hello.c", "work/sub/more.c", "other/far.c"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path / "work"


def request(work: Path, *words: str, output: str | None = None) -> CompileRequest:
    """The request for these words."""
    return compile_request(words, output=output, image="mpi", workdir=work, user="1000:1000")


def test_words_go_to_mpicc_in_their_order_and_the_output_is_named_after_the_source(
    work: Path,
) -> None:
    """Libraries must come after what needs them, so nothing is sorted."""
    made = request(work, "hello.c", "sub/more.c", "-O2", "-lm")
    assert made.words == ("hello.c", "sub/more.c", "-O2", "-lm", "-o", "hello")
    assert made.mounts == (work,)


@pytest.mark.parametrize("flag", ["-c", "-S", "-E"])
def test_a_flag_that_stops_early_leaves_the_name_to_mpicc(work: Path, flag: str) -> None:
    """`-c` makes hello.o."""
    assert request(work, "hello.c", flag).words == ("hello.c", flag)


def test_sources_and_output_elsewhere_are_seen_too(work: Path) -> None:
    """Their directories, and not what is above."""
    made = request(work, "../other/far.c", output="sub/far")
    assert set(made.mounts) == {work, work.parent / "other"}


def test_a_link_is_seen_with_what_it_points_to(work: Path) -> None:
    """Inside the container, the link is followed there."""
    (work.parent / "elsewhere").mkdir()
    (work.parent / "elsewhere" / "link.c").symlink_to(work.parent / "other" / "far.c")
    made = request(work, str(work.parent / "elsewhere" / "link.c"))
    assert set(made.mounts) == {work, work.parent / "elsewhere", work.parent / "other"}


def test_all_problems_are_told_at_once(work: Path) -> None:
    """A source that is not there, and a directory: Docker would make it, as root."""
    with pytest.raises(UsageError) as error:
        request(work, "hello.c", "gone.c", output="nowhere/hello")
    assert str(error.value).splitlines() == [
        "there is no file gone.c",
        "-o nowhere/hello: there is no such directory",
    ]


def test_flags_alone_compile_nothing(work: Path) -> None:
    """Said here, without a container."""
    with pytest.raises(UsageError, match="nothing to compile"):
        request(work, "-O2")


@pytest.mark.parametrize("directory", ["/", "/usr", "/usr/lib"])
def test_the_images_own_directories_are_not_covered(work: Path, directory: str) -> None:
    """With this machine's /usr mounted there, the image would have another compiler or none."""
    with pytest.raises(UsageError, match=f"cannot compile in {directory},"):
        request(Path(directory), str(work / "hello.c"))
