"""Files of labs that cannot be read or made, as where sudo brought a lab up, are told in words.

What root reads nevertheless, it does not read where a directory is in a file's place.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from labs import lab

from mrunkit.errors import UsageError
from mrunkit.lab.directory import Labs
from mrunkit.lab.record import to_json
from mrunkit.lab.request import LabError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of two labs, of which `foreign` cannot be read."""
    root = tmp_path / "labs"
    (root / "foreign" / "lab.json").mkdir(parents=True)
    (root / "trial").mkdir()
    (root / "trial" / "lab.json").write_text(to_json(lab(1)))
    return root


def test_a_lab_that_cannot_be_read_hides_no_others(root: Path) -> None:
    """It is among them, with the reason."""
    (foreign, error), (trial, found) = Labs(root).all()
    assert (foreign.name, trial.name) == ("foreign", "trial")
    assert (str(error), found) == (
        f"cannot read {root}/foreign/lab.json: Is a directory",
        lab(1),
    )
    assert isinstance(error, LabError)
    assert error.remedy == "if sudo brought it up, run this with sudo too"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", '"lab"', "[[]]"])
def test_a_record_that_is_none_is_told_with_what_to_remove(root: Path, text: str) -> None:
    """As of a power cut; the others are listed all the same."""
    (root / "trial" / "lab.json").write_text(text)
    _, (trial, error) = Labs(root).all()
    assert (trial.name, isinstance(error, LabError)) == ("trial", True)
    assert "cannot read" in str(error)
    remedy = str(error.remedy) if isinstance(error, LabError) else ""
    assert "mrunkit.lab.name=trial" in remedy
    assert remedy.endswith(f"remove {root}/trial")


def test_a_lab_that_cannot_be_read_is_not_found(root: Path) -> None:
    """As by `ssh` and `down`; but it is among those there are."""
    with pytest.raises(LabError, match=r"cannot read .*: Is a directory"):
        Labs(root).find("foreign")
    with pytest.raises(UsageError, match="no lab nope") as raised:
        Labs(root).find("nope")
    assert raised.value.remedy == "there are: foreign, trial"


def test_labs_that_cannot_be_listed_say_so(tmp_path: Path) -> None:
    """Here as the way to them is a link to itself; none is taken for no labs."""
    loop = tmp_path / "labs"
    loop.symlink_to(loop)
    with pytest.raises(LabError, match=r"cannot list .*/labs: Too many levels of symbolic links"):
        Labs(loop).all()


def test_a_lab_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "labs").write_text("")
    with (
        pytest.raises(LabError, match=r"cannot make .*/labs/trial: Not a directory") as raised,
        Labs(tmp_path / "labs").locked("trial"),
    ):
        pass
    assert "MRUNKIT_STATE_DIR" in str(raised.value.remedy)


def test_a_full_disk_is_told_with_the_file(root: Path) -> None:
    """The system tells of no file, so this would be taken for a full output."""
    (root / "trial" / "lab.json.new").symlink_to("/dev/full")
    with pytest.raises(LabError, match=r"cannot write .*/lab\.json: No space left") as raised:
        Labs(root).directory("trial").write(lab(0))
    assert "MRUNKIT_STATE_DIR" in str(raised.value.remedy)
    assert Labs(root).find("trial")[1] == lab(1)


def test_keys_that_cannot_be_made_are_told(root: Path) -> None:
    """Here as a file is in the way."""
    (root / "trial" / "hosts").write_text("")
    with pytest.raises(LabError, match=r"cannot make .*/trial/hosts/host0: Not a directory"):
        Labs(root).directory("trial").make_keys(lab(1))


def test_files_that_cannot_be_removed_are_told(root: Path) -> None:
    """Here as there are none."""
    with pytest.raises(LabError, match=r"cannot remove .*/nowhere: No such file"):
        Labs(root).directory("nowhere").clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_lab_of_roots_is_not_changed_by_others() -> None:
    """Not even looked into, and they learn whose it is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        lab_directory = Path(name, "trial")
        lab_directory.mkdir(mode=0o700)
        os.seteuid(65534)
        try:
            with (
                pytest.raises(LabError, match=f"cannot open {lab_directory}: Perm") as raised,
                Labs(Path(name)).locked("trial"),
            ):
                pass
        finally:
            os.seteuid(0)
    assert raised.value.remedy == "if sudo brought it up, run this with sudo too"
