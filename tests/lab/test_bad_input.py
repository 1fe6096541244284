"""What cannot be: said before anything is made, with what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from laboratory import Laboratory

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a base")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "--name", "No Good"), "--name No Good: must be"),
        (("up", "--hosts", "0"), "--hosts"),
        (("up", "--hosts", "1000"), "--hosts"),
        (("up", "--backend", "vagrant"), "--backend"),
        (("up", "--include", "-y"), "--include -y: is no package name"),
        (("up", "--image", "there-is-none.qcow2"), "cloud images are for --backend qemu"),
        (("up", "--memory", "2048"), "--memory 2048: is for --backend qemu"),
        (("up", "--mirror", "nowhere"), "--mirror nowhere: is no address"),
        (("down", "--name", "nope"), "there is no lab nope"),
        (("down", "--name", "../nope"), "--name ../nope: must be"),
        (("ssh", "host0"), "there is no lab lab"),
        (("ssh", "--name", "..", "host0"), "--name ..: must be"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """With status 2, and nothing made."""
    laboratory = Laboratory(tmp_path)
    done = laboratory.mrunkit("lab", *words, check=False)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert laboratory.files() == []


def test_no_labs_are_no_error(tmp_path: Path) -> None:
    """And the way to the first one is told."""
    laboratory = Laboratory(tmp_path)
    assert laboratory.mrunkit("lab", "ls").stdout == "no labs; make one: mrunkit lab up\n"
    assert laboratory.mrunkit("lab", "ls", "--json").stdout == "[]\n"


def test_a_lab_that_cannot_be_read_is_listed_as_such(tmp_path: Path) -> None:
    """As one of sudo's; the reason is told, and nothing else hidden."""
    laboratory = Laboratory(tmp_path)
    for name in ("lab", "other"):
        (tmp_path / "labs" / name / "lab.json").mkdir(parents=True)
    done = laboratory.mrunkit("lab", "ls", check=False)
    assert (done.returncode, [line.split() for line in done.stdout.splitlines()[1:]]) == (
        125,
        [[name, "-", "-", "unreadable", "-", "-"] for name in ("lab", "other")],
    )
    assert done.stderr.count("lab.json: Is a directory") == 2
    listed = laboratory.mrunkit("lab", "ls", "--json", check=False).stdout
    assert [entry["state"] for entry in json.loads(listed)] == ["unreadable", "unreadable"]


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        # Before a base is made for nothing.
        pytest.param("qemu-system-x86_64", "apt-get install qemu-system-x86", marks=needs_root),
        ("qemu-img", "apt-get install qemu-utils"),
    ],
)
def test_a_tool_that_is_missing_is_named_with_its_package(
    tmp_path: Path, missing: str, remedy: str
) -> None:
    """And nothing is left of the attempt."""
    tools = tmp_path / "bin"
    tools.mkdir()
    image = tmp_path / "image.qcow2"
    image.write_bytes(b"QFI\xfb")
    for directory in os.environ["PATH"].split(":"):
        for tool in Path(directory).glob("*"):
            if tool.name != missing and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    laboratory = Laboratory(tmp_path / "state")
    words = ["lab", "up", "--backend", "qemu", "--accel", "tcg"]
    words += ["--image", str(image)] if missing == "qemu-img" else []
    done = laboratory.mrunkit(
        *words, check=False, PATH=str(tools), MRUNKIT_CACHE=str(tmp_path / "cache")
    )
    assert (done.returncode, remedy in done.stderr) == (125, True), done.stderr
    assert laboratory.files() == []


def test_a_file_that_is_no_disk_image_is_refused(tmp_path: Path) -> None:
    """It would be a guest that does not boot."""
    image = tmp_path / "notes.txt"
    image.write_text("no image\n" * 100)
    laboratory = Laboratory(tmp_path / "state")
    words = ("lab", "up", "--backend", "qemu", "--accel", "tcg", "--image", str(image))
    done = laboratory.mrunkit(*words, check=False)
    assert "is no qcow2 image: raw" in done.stderr
    assert laboratory.files() == []
