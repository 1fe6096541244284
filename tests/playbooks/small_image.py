"""An image of busybox alone, for hosts that reach no registry."""

from __future__ import annotations

from pathlib import Path

from busybox_image import busybox_tree
from container_hosts import Docker, LabHosts

NAME = "mrunkit-test/busybox:lab"
APPLETS = ("ip", "nc", "ping", "sh", "sleep")


def save_small_image(docker: Docker, directory: Path, *, marker: str = "") -> Path:
    """Make the image, and save it as `docker save` does; the marker makes another one of it."""
    tree, archive = directory / f"tree{marker}.tar", directory / f"image{marker}.tar"
    tree.write_bytes(busybox_tree(APPLETS, marker=marker))
    docker("import", str(tree), NAME)
    docker("save", "-o", str(archive), NAME)
    docker("image", "rm", NAME)
    return archive


def put_small_image(hosts: LabHosts, archive: Path, *names: str) -> None:
    """Load the image into the engines of hosts, past the playbooks."""
    for name in names:
        hosts.docker("cp", str(archive), f"{hosts.containers[name]}:/var/tmp/small.tar")
        hosts.on(name, "docker", "load", "-i", "/var/tmp/small.tar")
