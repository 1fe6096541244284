"""For the tests of roles: container hosts, shared by all tests of a session or a test's own."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from container_hosts import Docker, LabHosts, base_image, start

StartHosts = Callable[..., LabHosts]


@pytest.fixture(scope="session")
def start_hosts(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHosts]:
    """Start hosts of an image, or with all packages present if ready; all go when the tests end."""
    names: list[str] = []

    def start_some(count: int = 3, *, is_ready: bool = True, image: str | None = None) -> LabHosts:
        image = image or base_image(is_ready=is_ready)
        names.append(f"mrunkit-test-{uuid.uuid4().hex[:8]}")
        return start(docker, names[-1], count, image, tmp_path_factory.mktemp("lab"))

    yield start_some
    for name in names:
        containers = docker("ps", "-aq", "--filter", f"label={name}").stdout.split()
        if containers:
            docker("rm", "-f", "-v", *containers)
        docker("network", "rm", name, check=False)


@pytest.fixture(scope="session")
def lab_hosts(start_hosts: StartHosts) -> LabHosts:
    """Three hosts with all packages present, the same ones for all tests of a session."""
    return start_hosts(3)
