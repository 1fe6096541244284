"""Labs, really made: by the command, in a state directory of their own.

The base trees stay in the cache of this account: making one takes a minute or two.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from busybox_image import busybox_tree
from docker_fixtures import Run

sys.path.insert(0, str(Path(__file__).parent))

from laboratory import Laboratory

IMAGE = "mrunkit/sleep:test"


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A place for labs; what a test leaves is taken down."""
    made = Laboratory(tmp_path_factory.mktemp("state"))
    yield made
    for name in made.names():
        made.mrunkit("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def image(docker: Run) -> Iterator[str]:
    """A tiny image: what an overlay is tested with needs no more than `sleep`."""
    packed = busybox_tree(("sh", "sleep"))
    subprocess.run(["docker", "import", "-", IMAGE], input=packed, check=True, capture_output=True)
    yield IMAGE
    docker("rmi", "--force", IMAGE)
