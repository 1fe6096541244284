"""The cache of base trees: what decides what is in one, and that no half one is ever taken."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mrunkit.lab.apt import AptSetup
from mrunkit.lab.request import Backend, LabError, Suite, recipe
from mrunkit.lab.tree import make_tree, making, tree_key

BARE = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False)
SETUP = AptSetup(sources=("deb http://mirror/debian bookworm main",))


class Quiet:
    """Shows nothing."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Show nothing."""


@pytest.mark.parametrize(
    ("other", "setup"),
    [
        (recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=True), SETUP),
        (recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=("vim",)), SETUP),
        (recipe(Backend.QEMU, Suite.BOOKWORM, is_ready=False), SETUP),
        (recipe(Backend.DOCKER, Suite.TRIXIE, is_ready=False), SETUP),
        (replace(BARE, mirror="http://other/debian"), SETUP),
        (BARE, replace(SETUP, settings=('Acquire::http::Proxy "http://proxy:3128";',))),
    ],
)
def test_whatever_changes_a_tree_gives_it_another_name(other: object, setup: AptSetup) -> None:
    """So that no lab gets what it did not ask for."""
    assert tree_key(other, setup) != tree_key(BARE, SETUP)  # type: ignore[arg-type]
    assert tree_key(BARE, SETUP) == tree_key(BARE, SETUP)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the variable that names another."""
    (tmp_path / "cache").write_text("")
    with (
        pytest.raises(LabError, match=r"cannot write .*/cache/base: Not a dir") as raised,
        making(tmp_path / "cache" / "base" / "b"),
    ):
        pass
    assert "MRUNKIT_CACHE" in str(raised.value.remedy)


def test_archives_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    """Before debootstrap begins."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"cannot write .*/file/debian: Not a dir"):
        make_tree(BARE, SETUP, tmp_path / "tree", archives=tmp_path / "file", progress=Quiet())


def test_what_was_cut_off_is_not_there(tmp_path: Path) -> None:
    """Nor is what it had made by then."""

    def make_half() -> None:
        with making(tmp_path / "base") as partial:
            (partial / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_half()
    assert [path.name for path in tmp_path.iterdir()] == ["base.lock"]


def test_what_a_killed_one_left_is_not_built_on(tmp_path: Path) -> None:
    """It could not clear up."""
    (tmp_path / "base.partial").mkdir()
    (tmp_path / "base.partial" / "half").write_text("half")
    with making(tmp_path / "base") as partial:
        assert list(partial.iterdir()) == []


def test_only_one_makes_a_base_at_a_time(tmp_path: Path) -> None:
    """The second waits, and then finds it there."""
    found: list[bool] = []
    is_in = threading.Event()

    def second() -> None:
        is_in.wait()
        with making(tmp_path / "base"):
            found.append((tmp_path / "base").exists())

    thread = threading.Thread(target=second)
    thread.start()
    with making(tmp_path / "base") as partial:
        is_in.set()
        # Long enough for the second to get in, if it could.
        thread.join(0.3)
        (partial / "base").mkdir()
        (partial / "base").rename(tmp_path / "base")
    thread.join(10)
    assert found == [True]
