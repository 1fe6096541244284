"""Disks of guests: a base made of a tree, which stays, and what each guest writes over it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mrunkit.lab.files import explained_cache
from mrunkit.lab.qemu_command import ROOT_LABEL
from mrunkit.lab.request import LabError, Recipe
from mrunkit.lab.tools import require_tools, run_tool
from mrunkit.lab.tree import (
    Progress,
    make_tree,
    making,
    require_tree_makers,
    setup_for,
    tree_key,
)

_DISK_SIZE = "16G"
"""Of which a disk takes what is written."""
_BYTES_PER_INODE = "32768"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What guests boot from."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The root file system, raw."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """The kernel of the tree."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Its initrd."""
        return self.directory / "initrd.img"


def require_base_makers(recipe: Recipe, cache: Path) -> None:
    """See that the base of this recipe is there, or can be made; raises LabError."""
    if not _base(recipe, cache).directory.exists():
        require_tree_makers(recipe, uid=os.geteuid())
        require_tools("mke2fs")


def make_base(recipe: Recipe, cache: Path, progress: Progress) -> Base:
    """The base of this recipe, made if it is not there; raises LabError."""
    setup = setup_for(recipe)
    base = _base(recipe, cache)
    if base.directory.exists():
        return base
    with making(base.directory) as partial:
        if not base.directory.exists():
            tree = partial / "tree"
            archives = cache / "archives"
            make_tree(recipe, setup, tree, archives=archives, progress=progress)
            progress.show(f"base {base.directory.name}", "making a disk of the base tree")
            made = Base(directory=partial / "base")
            with explained_cache(made.directory):
                made.directory.mkdir()
                _make_disk(tree, made)
                made.directory.rename(base.directory)
    return base


def _base(recipe: Recipe, cache: Path) -> Base:
    return Base(directory=cache / "guests" / tree_key(recipe, setup_for(recipe)))


def make_overlay(disk: Path, backing: Path, backing_format: str) -> None:
    """A guest's disk, which takes what it writes; raises LabError."""
    words = ["qemu-img", "create", "-q", "-f", "qcow2"]
    words += ["-b", str(backing), "-F", backing_format, str(disk)]
    done = run_tool(words)
    if done.returncode != 0:
        raise LabError(f"qemu-img could not make {disk}: {done.stdout.strip()}")


def image_format(image: Path) -> str:
    """The format of a disk image, as QEMU names it; raises LabError if it is none."""
    done = run_tool(["qemu-img", "info", "--output=json", str(image)])
    found = str(json.loads(done.stdout)["format"]) if done.returncode == 0 else ""
    if found != "qcow2":
        raise LabError(
            f"{image} is no qcow2 image: {found or done.stdout.strip()}",
            remedy="distributions offer them as cloud images; name the generic or KVM one",
        )
    return found


def _make_disk(tree: Path, base: Base) -> None:
    """A file system of a tree, without mounting anything."""
    kernels = sorted((tree / "boot").glob("vmlinuz-*"))
    if not kernels:
        raise LabError(f"no kernel was installed in {tree}")
    kernel = kernels[-1]
    kernel.rename(base.kernel)
    kernel.with_name(kernel.name.replace("vmlinuz-", "initrd.img-")).rename(base.initrd)
    words = ["mke2fs", "-q", "-t", "ext4", "-L", ROOT_LABEL, "-m", "0", "-i", _BYTES_PER_INODE]
    words += ["-d", str(tree), str(base.disk), _DISK_SIZE]
    done = run_tool(words)
    if done.returncode != 0:
        raise LabError(f"mke2fs could not make a disk of {tree}: {done.stdout.strip()}")
