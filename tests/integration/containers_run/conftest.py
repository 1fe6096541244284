"""`mrunkit run --image ... local` as a user runs it: a real engine, the Debian image, overlays.

Owns the swarm and the networks that the tests need. The overlay is not encrypted here: kernels of
small test machines lack ESP. Who sees the packets is not what these tests are about.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "run"))

from client import EXAMPLES, Mrunkit
from job_containers import OVERLAY, OVERLAY_SUBNET, ContainerRuns
from leftovers import PATIENCE, adopting, descendants, end_all

if TYPE_CHECKING:
    from docker_fixtures import DebianImages, Run


MAKER_LABEL = "mrunkit-test.pid"
"""On networks: the process that made them for its tests."""
SOURCES = [EXAMPLES / f"{name}.c" for name in ("exit_code", "forever", "hello_world", "ring")]
OWN_SOURCES = sorted((Path(__file__).parent / "programs").glob("*.c"))


@pytest.fixture(scope="session")
def swarm(docker: Run) -> Iterator[None]:
    """A swarm of this host alone, unless it is in one already."""
    state = docker("info", "-f", "{{.Swarm.LocalNodeState}}").stdout.strip()
    if state == "inactive":
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    yield
    if state == "inactive":
        docker("swarm", "leave", "--force")


def remove_networks_of_the_dead(docker: Run) -> None:
    """A session that was killed left its networks, and their subnets are taken."""
    shown = "{{.Name}} {{.Label " + f'"{MAKER_LABEL}"' + "}}"
    listed = docker("network", "ls", "--filter", f"label={MAKER_LABEL}", "--format", shown)
    for line in listed.stdout.splitlines():
        name, pid = line.split()
        if not Path("/proc", pid).exists():
            docker("network", "rm", name)


@pytest.fixture(scope="session")
def make_network(docker: Run, swarm: None) -> Iterator[Callable[..., str]]:
    """Make an overlay with these options, unless there is one of the name."""
    made: list[str] = []
    remove_networks_of_the_dead(docker)

    def make(name: str, *options: str) -> str:
        if docker("network", "inspect", name, check=False).returncode != 0:
            label = f"{MAKER_LABEL}={os.getpid()}"
            docker("network", "create", "-d", "overlay", "--label", label, *options, name)
            made.append(name)
        return name

    yield make
    for name in made:
        docker("network", "rm", name)


@pytest.fixture(scope="session")
def overlay(make_network: Callable[..., str]) -> str:
    """The network that the document names."""
    return make_network(OVERLAY, "--attachable", "--subnet", OVERLAY_SUBNET)


@pytest.fixture(scope="session")
def programs(debian_images: DebianImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the examples and the programs of these tests, compiled in the image."""
    command = Mrunkit(directory=tmp_path_factory.mktemp("compile"))
    command.tmp.mkdir()
    command.work.mkdir()
    for source in SOURCES + OWN_SOURCES:
        words = ("--image", debian_images.default, "-o", source.stem, str(source))
        compiled = command.start("compile", *words).wait()
        assert compiled.status == 0, compiled
    return command.work


@pytest.fixture
def mrunkit(
    tmp_path: Path, docker: Run, debian_images: DebianImages, programs: Path
) -> Iterator[ContainerRuns]:
    """The command; kill -9 of all clients that still run must leave nothing."""
    command = ContainerRuns(
        directory=tmp_path, image=debian_images.runtime, programs=programs, docker=docker
    )
    command.tmp.mkdir()
    command.work.mkdir()
    before = descendants().keys()
    with adopting():
        yield command
        for client in command.clients:
            client.kill()
        try:
            command.until_nothing_is_left(before, PATIENCE)
        finally:
            left = {pid: found for pid, found in descendants().items() if pid not in before}
            end_all(left)
            command.remove_containers()
