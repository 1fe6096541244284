"""A tiny image to run, and a look at what containers there are.

Needs a Docker engine, and busybox on this machine; nothing is pulled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from busybox_image import busybox_tree

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

IMAGE = "mrunkit/busybox:test"
APPLETS = ("sh", "sleep", "echo", "cat", "hostname", "env", "touch", "true", "tail")


@pytest.fixture(scope="session")
def engine(answering_engine: None) -> Iterator[docker.APIClient]:
    """The engine, if one answers."""
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.APIClient) -> str:
    """An image of busybox alone."""
    engine.import_image_from_data(
        busybox_tree(APPLETS), repository=IMAGE.partition(":")[0], tag="test"
    )
    return IMAGE


@pytest.fixture
def containers(engine: docker.APIClient) -> Callable[[], set[str]]:
    """The ids of embedded clusters' containers of the tiny image, running or not, now.

    Others on this machine have other images.
    """

    def find() -> set[str]:
        filters = {"label": "mrunkit.local", "ancestor": IMAGE}
        found = engine.containers(all=True, filters=filters)
        return {container["Id"] for container in found}

    return find


@pytest.fixture(autouse=True)
def _nothing_is_left(containers: Callable[[], set[str]]) -> Iterator[None]:
    """Each test must end without containers of embedded clusters that were not there before."""
    before = containers()
    yield
    assert containers() - before == set()
