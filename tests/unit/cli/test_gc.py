"""Where `mrunkit gc` looks for staged files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.cli.gc import shares_to_look_at
from mrunkit.errors import UsageError

USUAL = Path("/share")


def test_a_share_is_looked_at_besides_the_usual_one(tmp_path: Path) -> None:
    """And each once."""
    assert shares_to_look_at([]) == [USUAL]
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert shares_to_look_at([tmp_path, link]) == [USUAL, tmp_path]


def test_a_share_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Nothing would be found in it, which is not to say that nothing is left."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as raised:
        shares_to_look_at([tmp_path, tmp_path / "none", tmp_path / "file"])
    assert str(raised.value).splitlines() == [
        f"--share {tmp_path}/none: there is no such directory",
        f"--share {tmp_path}/file: there is no such directory",
    ]
