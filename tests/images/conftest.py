"""Containers made from the Debian image by `images/compose.yaml`.

Owns the removal of every container, network and volume that a test makes.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from docker_fixtures import IMAGES, DebianImages, Run, run_program


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A head and its workers, started by `images/compose.yaml` under a name of their own."""

    project: str
    compose: Run
    docker: Run

    def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the first container of a service."""
        return self.compose("exec", "-T", service, *command)

    def containers(self, service: str) -> list[str]:
        """Name the containers of a service by their ids."""
        return self.compose("ps", "-q", service).stdout.split()

    def left_over(self) -> list[str]:
        """List the containers, networks and volumes that carry this deployment's name."""
        mine = ["--filter", f"label=com.docker.compose.project={self.project}", "-q"]
        kinds = [["ps", "-a"], ["network", "ls"], ["volume", "ls"]]
        return [line for kind in kinds for line in self.docker(*kind, *mine).stdout.split()]


@pytest.fixture(scope="session")
def deploy(docker: Run, debian_images: DebianImages) -> Iterator[Callable[[int], Deployment]]:
    """Start deployments of a head and n workers; all of them end with the session."""
    started: list[Deployment] = []

    def start(workers: int) -> Deployment:
        deployment = _deployment(docker, debian_images)
        started.append(deployment)
        deployment.compose("up", "-d", "--scale", f"worker={workers}")
        return deployment

    yield start
    for deployment in started:
        deployment.compose("down", "-v", "--timeout", "2")
        assert deployment.left_over() == []


def _deployment(docker: Run, images: DebianImages) -> Deployment:
    project = f"mrunkit-test-{uuid.uuid4().hex[:8]}"
    plugin = docker("compose", "version", check=False).returncode == 0
    program = ["docker", "compose"] if plugin else ["docker-compose"]
    words = [*program, "-p", project, "-f", str(IMAGES / "compose.yaml")]

    def compose(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run_program(*words, *command, check=check, env={"MPI_IMAGE": images.default})

    return Deployment(project=project, compose=compose, docker=docker)
