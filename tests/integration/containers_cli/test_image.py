"""Building, listing, inspecting: what the commands print, and with which status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from command import Mrunkit

if TYPE_CHECKING:
    from conftest import Images

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]


def test_the_built_image_is_listed(mrunkit: Mrunkit, images: Images) -> None:
    """By name, with MPICH and C library, as a table and as JSON."""
    table = mrunkit("image", "ls").stdout.splitlines()
    assert table[0].split() == ["NAME", "MPICH", "LIBC", "SIZE", "ID", "CREATED"]
    listed = {entry["name"]: entry for entry in json.loads(mrunkit("image", "ls", "--json").stdout)}
    assert {images.compilers, images.runtime} <= listed.keys()
    assert {line.split()[0] for line in table[1:]} == listed.keys()
    assert listed[images.runtime]["size"] < listed[images.compilers]["size"]


def test_an_image_is_inspected(
    mrunkit: Mrunkit, images: Images, engine: docker.DockerClient
) -> None:
    """What its labels say is what programs in it say."""
    shown = json.loads(mrunkit("image", "inspect", images.runtime, "--json").stdout)
    printed = engine.containers.run(
        images.runtime,
        ["sh", "-c", "mpichversion | sed -n 's/^MPICH Version:[[:space:]]*//p'; ldd --version"],
        remove=True,
        network_mode="none",
    )
    mpich, libc, *_ = printed.decode().splitlines()
    assert (shown["mpich"], shown["libc"]) == (mpich, "glibc")
    assert libc.endswith(f" {shown['libc_version']}")
    assert (shown["user"], shown["digest"]) == ("1000:1000", "")
    page = mrunkit("image", "inspect", images.runtime).stdout
    assert f"mpich      {mpich}\n" in page
    assert "digest     none: no registry has it\n" in page


def test_a_missing_image_is_said_with_the_command_that_makes_it(
    mrunkit: Mrunkit, engine: docker.DockerClient
) -> None:
    """Exit status 125, and nothing is pulled behind the user's back."""
    ended = mrunkit("image", "inspect", "mrunkit/debian:nobody-made-this")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        125,
        [
            "mrunkit: there is no image mrunkit/debian:nobody-made-this on this machine",
            "mrunkit:   make it: mrunkit image build debian --tag mrunkit/debian:nobody-made-this",
        ],
    )


def test_a_missing_base_is_said_with_the_option_that_names_another(
    mrunkit: Mrunkit, engine: docker.DockerClient
) -> None:
    """Exit status 125; the registry of this name cannot exist."""
    ended = mrunkit("image", "build", "debian", "--base-image", "registry.invalid/debian:13")
    assert ended.returncode == 125
    assert "registry.invalid/debian:13" in ended.stderr.splitlines()[-2]
    assert "--base-image" in ended.stderr.splitlines()[-1]


def test_debian_decides_on_its_mpich(mrunkit: Mrunkit) -> None:
    """Exit status 2, without asking any engine."""
    unreachable = Mrunkit(work=mrunkit.work, variables={"DOCKER_HOST": "unix:///nowhere"})
    ended = unreachable("image", "build", "debian", "--mpich-version", "4.1.2")
    assert (ended.returncode, "Debian packages" in ended.stderr) == (2, True)


def test_without_an_engine_the_remedy_is_to_start_one(mrunkit: Mrunkit) -> None:
    """No traceback, exit status 125."""
    unreachable = Mrunkit(work=mrunkit.work, variables={"DOCKER_HOST": "unix:///nowhere"})
    ended = unreachable("image", "ls")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        125,
        [
            "mrunkit: Docker does not run on the host",
            "mrunkit:   start it: systemctl start docker",
        ],
    )


def test_an_installed_wheel_brings_the_dockerfiles(tmp_path: Path) -> None:
    """`image build` needs no checkout; scripts keep their mode, which the images rely on."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    found = subprocess.run(
        [
            *(python, "-I", "-c"),
            "from mrunkit.containers.build import images_directory as d; print(d())",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
    )
    installed = Path(found.stdout.strip())
    assert installed.is_relative_to(tmp_path / "venv")
    assert modes(installed) == modes(ROOT / "images")


def modes(directory: Path) -> dict[str, bool]:
    """All files below, and which of them can be executed."""
    return {
        path.relative_to(directory).as_posix(): os.access(path, os.X_OK)
        for path in directory.rglob("*")
        if path.is_file()
    }
