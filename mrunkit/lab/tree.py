"""Base trees: a distribution's packages in a directory, made by debootstrap and apt.

Owns the cache of what is made of trees. A thing is made under a temporary name, by one
process at a time, and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Protocol

from mrunkit.lab.apt import CERTIFICATES, AptSetup, read_apt_setup
from mrunkit.lab.files import explained_cache
from mrunkit.lab.request import LabError, Recipe
from mrunkit.lab.tools import require_tools, tools_environ

_SCRIPT = Path(__file__).with_name("make-tree.sh")
_STEP = "== "
"""How a line of the script begins that says what it does next."""
_LAST_LINES = 15

_DPKG_SLIM = """\
path-exclude /usr/share/doc/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
path-include /usr/share/doc/*/copyright
"""

_SEED_UNIT = """\
[Unit]
Description=What makes this guest a host of its lab
DefaultDependencies=no
ConditionPathExists=!/var/lib/mrunkit-lab-seeded
Requires=dev-disk-by\\x2did-virtio\\x2dlab\\x2dseed.device
After=dev-disk-by\\x2did-virtio\\x2dlab\\x2dseed.device systemd-remount-fs.service
Before=systemd-networkd.service network-pre.target sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/tar --extract --directory=/ --file=/dev/disk/by-id/virtio-lab-seed
ExecStart=/bin/touch /var/lib/mrunkit-lab-seeded

[Install]
WantedBy=sysinit.target
"""

_MASKED_UNITS = (
    # They would hold dpkg's lock while a playbook needs it, or take a slow guest's time.
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service",
)  # fmt: skip

_SEED_UNIT_NAME = "mrunkit-lab-seed.service"
_GUEST_LINKS = {
    f"sysinit.target.wants/{_SEED_UNIT_NAME}": Path("/etc/systemd/system", _SEED_UNIT_NAME),
    "multi-user.target.wants/systemd-networkd.service": Path(
        "/lib/systemd/system/systemd-networkd.service"
    ),
}


class Progress(Protocol):
    """Is told what goes on."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Show what `name` does now, and how far it is; a total of 0 is not known."""


def tree_key(recipe: Recipe, setup: AptSetup) -> str:
    """A short name for all that decides what a tree holds, besides the day it is made."""
    content = repr(
        (astuple(recipe), astuple(setup), platform.machine(), _SEED_UNIT, _MASKED_UNITS, _DPKG_SLIM)
    )
    digest = hashlib.sha256(content.encode() + _SCRIPT.read_bytes())
    return f"{recipe.suite.value}-{digest.hexdigest()[:12]}"


def setup_for(recipe: Recipe) -> AptSetup:
    """How apt is to be set up in a tree of this recipe, on this machine."""
    return read_apt_setup(recipe.suite, mirror=recipe.mirror)


def require_tree_makers(recipe: Recipe, *, uid: int) -> None:
    """See that a user can make a tree of this recipe here; raises LabError."""
    if uid != 0:
        raise LabError(
            "a base tree is needed, and only root can make one, as debootstrap needs it",
            # Guests are of a base in their account's cache; images are the engine's.
            remedy="run mrunkit lab as root; or name a cloud image: --image FILE"
            if recipe.has_kernel
            else "once `sudo mrunkit lab up`, then `sudo mrunkit lab down`: the image stays",
        )
    require_tools("debootstrap")
    distribution = recipe.suite.distribution
    if not distribution.keyring.exists():
        raise LabError(
            f"there are no keys to check {distribution.value}'s packages with: "
            f"{distribution.keyring}",
            remedy=f"install {distribution.keyring_package}; if apt has none here, "
            f"put that file of {distribution.value}'s package there",
        )


@contextlib.contextmanager
def making(target: Path) -> Iterator[Path]:
    """A directory in which to make `target`, by one process at a time; it goes at the end.

    Whoever else makes it is waited for, so look again whether it is there. Raises LabError if it
    cannot be made.
    """
    partial = target.with_name(target.name + ".partial")
    with explained_cache(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        opened = target.with_name(target.name + ".lock").open("w")
    with opened as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            # Of one that was killed.
            shutil.rmtree(partial, ignore_errors=True)
            with explained_cache(partial):
                partial.mkdir()
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def make_tree(
    recipe: Recipe, setup: AptSetup, tree: Path, *, archives: Path, progress: Progress
) -> None:
    """Make a tree in this directory, which is not there yet; raises LabError.

    `archives` keeps what was downloaded, by distribution: both have packages of the same names.
    """
    distribution = recipe.suite.distribution
    archives = archives / distribution.name.lower()
    with contextlib.ExitStack() as stack:
        with explained_cache(tree):
            archives.mkdir(parents=True, exist_ok=True)
            files = stack.enter_context(tempfile.TemporaryDirectory(dir=tree.parent))
            _lay_files(Path(files), recipe, setup)
        # The one ends with mrunkit, however that ends; the other ends all that it started.
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork"]
        words += ["--kill-child", "sh", str(_SCRIPT)]
        words += [str(tree), recipe.suite.value, distribution.debootstrap_script]
        words += [",".join(distribution.components), str(distribution.keyring)]
        words += [str(archives), files, *recipe.packages]
        mirror = recipe.mirror or setup.mirror
        environ = {**tools_environ(), "MIRROR": mirror or ""}
        _run(words, environ, what=f"base tree of {recipe.suite.value}", progress=progress)


def _lay_files(root: Path, recipe: Recipe, setup: AptSetup) -> None:
    """What is laid over the tree before apt runs in it."""
    texts = {"etc/dpkg/dpkg.cfg.d/slim": _DPKG_SLIM}
    if setup.sources:
        texts["etc/apt/sources.list"] = "\n".join(setup.sources) + "\n"
    if setup.settings:
        texts["etc/apt/apt.conf.d/90host"] = "\n".join(setup.settings) + "\n"
    if any("https:" in line for line in setup.sources) and Path(CERTIFICATES).exists():
        # Sources over https need the authorities that this machine trusts.
        texts[CERTIFICATES.lstrip("/")] = Path(CERTIFICATES).read_text()
    if recipe.has_kernel:
        texts |= _guest_texts()
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    links = {unit: Path("/dev/null") for unit in _MASKED_UNITS}
    links |= _GUEST_LINKS if recipe.has_kernel else {}
    for name, points_to in links.items():
        link = root / "etc/systemd/system" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(points_to)


def _guest_texts() -> dict[str, str]:
    """A small initrd, which a guest without KVM unpacks in less time; and the seed's unit."""
    modules = "virtio_pci\nvirtio_blk\next4\n"
    return {
        f"etc/systemd/system/{_SEED_UNIT_NAME}": _SEED_UNIT,
        "etc/initramfs-tools/conf.d/lab": "MODULES=list\n",
        "etc/initramfs-tools/modules": modules,
    }


def _run(words: list[str], environ: dict[str, str], *, what: str, progress: Progress) -> None:
    """Run it to its end, showing its lines; whatever ends this one ends it too."""
    lines: list[str] = []
    with subprocess.Popen(
        words,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines = [*lines, line.rstrip()][-_LAST_LINES:]
                if line.startswith(_STEP):
                    progress.show(what, line.removeprefix(_STEP).strip())
        except BaseException:
            process.send_signal(signal.SIGKILL)  # and so, by unshare, all that it started
            raise
    if process.returncode != 0:
        raise LabError("\n".join([f"{what}: failed", *(f"  {line}" for line in lines)]))
