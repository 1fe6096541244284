"""The commands about images, against a real engine.

The Debian image is built by `mrunkit image build` itself, from a base that is pulled or made
with debootstrap; both stay, and the next run finds them in the engine's cache.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from command import Mrunkit

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The two targets of the Debian image."""

    compilers: str = "mrunkit/debian:test-cli"
    runtime: str = "mrunkit/debian:test-cli-runtime"


@pytest.fixture(scope="session")
def engine(answering_engine: None) -> Iterator[docker.DockerClient]:
    """The engine, if one answers."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_image(engine: docker.DockerClient) -> str:
    """What the Debian image is built on."""
    given = os.environ.get("MRUNKIT_BASE_IMAGE")
    if given is not None:
        return given
    made = subprocess.run(
        [ROOT / "images" / "debian" / "make-base.sh"], check=True, stdout=subprocess.PIPE, text=True
    )
    return made.stdout.strip()


@pytest.fixture(scope="session")
def images(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Both targets, built by the command."""
    mrunkit = Mrunkit(work=tmp_path_factory.mktemp("build"))
    images = Images()
    for tag, target in ((images.compilers, "compilers"), (images.runtime, "runtime")):
        words = ("--tag", tag, "--target", target, "--base-image", base_image)
        built = mrunkit("image", "build", "debian", *words)
        assert built.returncode == 0, built.stderr
        assert built.stdout.startswith(f"{tag}: MPICH "), built.stdout
    return images


@pytest.fixture
def mrunkit(tmp_path: Path) -> Mrunkit:
    """The command."""
    work = tmp_path / "work"
    work.mkdir()
    return Mrunkit(work=work)


@pytest.fixture
def small_image(engine: docker.DockerClient) -> Iterator[str]:
    """An image of one file that no other test has, under a name of its own."""
    name = f"mrunkit-test/{uuid.uuid4().hex[:8]}:1"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        content = uuid.uuid4().bytes
        file = tarfile.TarInfo("content")
        file.size = len(content)
        tar.addfile(file, io.BytesIO(content))
    repository, tag = name.split(":")
    made = engine.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    assert "error" not in made, made
    yield name
    engine.images.remove(engine.images.get(name).id, force=True)
