"""Programs of this machine that labs are made with: whether they are there, and running them."""

from __future__ import annotations

import os
import shutil
import subprocess

from mrunkit.lab.qemu_command import PROGRAM
from mrunkit.lab.request import LabError

_OF_ROOT = ("/usr/sbin", "/sbin")
_PACKAGES = {
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    PROGRAM: "qemu-system-x86",
}


def search_path(path: str) -> str:
    """A PATH with the directories of root's programs, which those of users, and of su, lack."""
    return os.pathsep.join(dict.fromkeys([*path.split(os.pathsep), *_OF_ROOT]))


def tools_environ() -> dict[str, str]:
    """The environment of the programs."""
    return {**os.environ, "PATH": search_path(os.environ.get("PATH", os.defpath))}


def require_tools(*names: str, path: str | None = None) -> None:
    """See that these programs are there, in PATH unless another is given; raises LabError."""
    path = tools_environ()["PATH"] if path is None else path
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing:
        packages = " ".join(_PACKAGES[name] for name in missing)
        raise LabError(
            f"there is no {' and no '.join(missing)}",
            remedy=f"install it: apt-get install {packages}",
        )


def run_tool(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; raises LabError if this machine lacks it."""
    require_tools(words[0])
    return subprocess.run(
        words,
        env=tools_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
