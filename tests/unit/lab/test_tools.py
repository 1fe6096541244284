"""Programs that labs are made with: missing ones are named before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.lab.request import Backend, LabError, Recipe, Suite, recipe
from mrunkit.lab.tools import require_tools, run_tool, search_path
from mrunkit.lab.tree import require_tree_makers

GUESTS = recipe(Backend.QEMU, Suite.BOOKWORM, is_ready=False)
CONTAINERS = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False)


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    """All at once."""
    (tmp_path / "mke2fs").write_text("#!/bin/sh\n")
    (tmp_path / "mke2fs").chmod(0o755)
    with pytest.raises(LabError, match="there is no qemu-img and no debootstrap") as raised:
        require_tools("qemu-img", "mke2fs", "debootstrap", path=str(tmp_path))
    assert raised.value.remedy == "install it: apt-get install qemu-utils debootstrap"


def test_programs_of_root_are_found_by_a_users_path() -> None:
    """Which has none of their directories; what it has comes first."""
    assert search_path("/usr/bin:/usr/sbin") == "/usr/bin:/usr/sbin:/sbin"


def test_a_program_runs_with_roots_programs_in_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As debootstrap needs them."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "PATH=/usr/bin:/bin:/usr/sbin:/sbin" in run_tool(["env"]).stdout.splitlines()


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [
        (GUESTS, "run mrunkit lab as root; or name a cloud image: --image FILE"),
        (
            CONTAINERS,
            "once `sudo mrunkit lab up`, then `sudo mrunkit lab down`: the image stays",
        ),
    ],
)
def test_a_user_is_told_to_be_root_before_anything_else(wanted: Recipe, remedy: str) -> None:
    """Not to install what does not help them: a base of guests is their account's alone."""
    with pytest.raises(LabError, match="only root can make one") as raised:
        require_tree_makers(wanted, uid=1000)
    assert raised.value.remedy == remedy
