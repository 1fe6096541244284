"""An image of busybox alone, for hosts that reach no registry."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from container_hosts import Docker, LabHosts

NAME = "mrunkit-test/busybox:lab"
APPLETS = ("ip", "nc", "ping", "sh", "sleep")


def save_small_image(docker: Docker, directory: Path, *, marker: str = "") -> Path:
    """Make the image, and save it as `docker save` does; the marker makes another one of it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine")
    tree, archive = directory / f"tree{marker}.tar", directory / f"image{marker}.tar"
    with tarfile.open(tree, "w") as tar:
        tar.add(busybox, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        mark = tarfile.TarInfo("marker")
        mark.size = len(marker)
        tar.addfile(mark, io.BytesIO(marker.encode()))
    docker("import", str(tree), NAME)
    docker("save", "-o", str(archive), NAME)
    docker("image", "rm", NAME)
    return archive


def put_small_image(hosts: LabHosts, archive: Path, *names: str) -> None:
    """Load the image into the engines of hosts, past the playbooks."""
    for name in names:
        hosts.docker("cp", str(archive), f"{hosts.containers[name]}:/var/tmp/small.tar")
        hosts.on(name, "docker", "load", "-i", "/var/tmp/small.tar")
