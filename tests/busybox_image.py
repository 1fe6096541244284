"""The root file system of a tiny image: busybox, and the names that it answers to."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest


def busybox_tree(applets: Iterable[str], *, marker: str = "") -> bytes:
    """A tar archive for `docker import`; another marker makes another image of it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine")
    # Debian has one that is linked statically and one that is not.
    listed = subprocess.run(["ldd", busybox], check=False, capture_output=True, text=True)
    libraries = re.findall(r"(/\S+) \(0x", listed.stdout)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for library in libraries:
            tar.add(Path(library).resolve(), library)
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        mark = tarfile.TarInfo("marker")
        mark.size = len(marker)
        tar.addfile(mark, io.BytesIO(marker.encode()))
    return archive.getvalue()
