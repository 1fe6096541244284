"""What hosts get of this mrunkit can be installed, and tells whether it has changed."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mrunkit.errors import MrunkitError
from mrunkit.provision.client_package import (
    REQUIREMENTS,
    digest,
    package,
    requirements,
    wheel,
    write_archive,
)


def test_all_that_mrunkit_needs_is_pinned_and_nothing_that_no_index_has() -> None:
    """Also what it needs by way of others; http-parser comes along itself."""
    names = [line.partition("==")[0] for line in requirements()]
    assert {"typer", "pymesos", "httptools", "paramiko", "jinja2"} <= set(names)
    assert not {"mrunkit", "http-parser", "mpich", "pytest"} & set(names)


def test_the_wheel_has_what_a_checkout_has_beside_the_package() -> None:
    """Playbooks, images and the example inventory, where an installed mrunkit looks for them."""
    name, data = wheel("mrunkit")
    members = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert name.endswith("-py3-none-any.whl")
    assert {
        "mrunkit/hydra/proxy.sh",
        "mrunkit/playbooks_data/site.yml",
        "mrunkit/playbooks_data/filter_plugins/lab_problems.py",
        "mrunkit/images_data/debian/Dockerfile",
        "mrunkit/inventory_data/inventory.ini",
    } <= set(members)
    assert not [member for member in members if "__pycache__" in member]


def test_pip_installs_it(tmp_path: Path) -> None:
    """With the command; what it needs is left out here."""
    for name in ("mrunkit", "http-parser"):
        file, data = wheel(name)
        (tmp_path / file).write_bytes(data)
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", target, *tmp_path.glob("*.whl")], check=True)
    assert (target / "bin" / "mrunkit").exists()
    assert (target / "http_parser" / "__init__.py").exists()


def test_one_content_has_one_digest(tmp_path: Path) -> None:
    """Whenever it is packed; else each bootstrap would install anew."""
    files = package()
    assert digest(files) == digest(package())
    assert digest({**files, REQUIREMENTS: b"other"}) != digest(files)
    write_archive(files, tmp_path / "new" / "client.tar")
    with tarfile.open(tmp_path / "new" / "client.tar") as archive:
        assert sorted(archive.getnames()) == sorted(files)


def test_wheels_that_were_brought_go_along(tmp_path: Path) -> None:
    """A directory without any is a mistake."""
    with pytest.raises(MrunkitError, match="no wheels"):
        package(tmp_path)
    (tmp_path / "typer-9-py3-none-any.whl").write_bytes(b"typer")
    assert package(tmp_path)["typer-9-py3-none-any.whl"] == b"typer"
