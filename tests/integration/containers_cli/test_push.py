"""`mrunkit image push`, from a real engine to registries of a few lines."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import docker
import pytest
from command import Mrunkit
from in_background import in_background
from registry import Registry

from mrunkit.containers.images import inspect_image, mark_shipped

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture
def named(engine: docker.DockerClient, small_image: str) -> Iterator[Callable[[int], str]]:
    """Give the small image a name at a registry on a loopback port."""
    names: list[str] = []

    def name(port: int) -> str:
        names.append(f"127.0.0.1:{port}/mpi:1")
        assert engine.images.get(small_image).tag(names[-1])
        return names[-1]

    yield name
    for given in names:
        engine.images.remove(given)


def test_a_pushed_image_is_pinned_from_then_on(
    mrunkit: Mrunkit,
    named: Callable[[int], str],
    small_image: str,
    engine: docker.DockerClient,
) -> None:
    """By the registry's digest, under its name there; the local name stays as it is."""
    with in_background(Registry(is_closed=False)) as registry:
        port = registry.server_address[1]
        name = named(port)
        # As after `image distribute`, which this comes after.
        mark_shipped(engine, inspect_image(engine, name))
        pushed = mrunkit("image", "push", name)
        digest = registry.manifests["/v2/mpi/manifests/1"]
    assert (pushed.returncode, pushed.stdout) == (0, f"{name} is pushed: {digest}\n")
    assert inspect_image(engine, name).pinned == f"127.0.0.1:{port}/mpi@{digest}"
    assert inspect_image(engine, small_image).pinned == small_image


def test_a_terminal_sees_a_bar_for_each_layer(
    mrunkit: Mrunkit, named: Callable[[int], str]
) -> None:
    """The image has one layer; the cursor, hidden meanwhile, is back at the end."""
    with in_background(Registry(is_closed=False)) as registry:
        name = named(registry.server_address[1])
        status, shown = mrunkit.on_terminal("image", "push", name)
    assert (status, f"{name} is pushed: sha256:" in shown) == (0, True), shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"[0-9a-f]{12} \u2501+ \d:\d\d:\d\d Pushed", plain), shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_registry_that_knows_us_not_is_said_with_the_login(
    mrunkit: Mrunkit, named: Callable[[int], str]
) -> None:
    """Exit status 125."""
    with in_background(Registry(is_closed=True)) as registry:
        port = registry.server_address[1]
        ended = mrunkit("image", "push", named(port))
    problem, remedy = ended.stderr.splitlines()[-2:]
    assert ended.returncode == 125
    assert problem.startswith(f"mrunkit: 127.0.0.1:{port} does not let you push")
    assert f"docker login 127.0.0.1:{port}" in remedy


def test_a_registry_that_is_not_there_is_said(
    mrunkit: Mrunkit, named: Callable[[int], str]
) -> None:
    """With the way that needs none."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    ended = mrunkit("image", "push", named(port))
    problem, remedy = ended.stderr.splitlines()[-2:]
    assert ended.returncode == 125
    assert problem.startswith(f"mrunkit: 127.0.0.1:{port} does not answer")
    assert "mrunkit image distribute" in remedy
