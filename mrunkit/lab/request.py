"""What a lab is asked to be, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mrunkit.errors import MrunkitError, UsageError

DEFAULT_NAME = "lab"
DEFAULT_HOSTS = 3
DEFAULT_MEMORY = 1536
"""MB."""
DEFAULT_CPUS = 2
DEFAULT_CGROUPS = 2
MOST_HOSTS = 200
"""A /24 holds them, above the addresses that are left to gateways."""


class LabError(MrunkitError):
    """A lab cannot be brought up, reached or taken down."""


class Backend(Enum):
    """What a lab's hosts are."""

    DOCKER = "docker"
    """Containers with systemd: native speed, this machine's kernel."""
    QEMU = "qemu"
    """Virtual machines: a kernel of their own, slow where KVM does not work."""


class Distribution(Enum):
    """Whose packages base trees are made of; the values are their Origin in apt."""

    DEBIAN = "Debian"
    UBUNTU = "Ubuntu"

    @property
    def components(self) -> tuple[str, ...]:
        """Parts of a release that a lab needs."""
        return ("main",) if self is Distribution.DEBIAN else ("main", "universe")

    @property
    def keyring(self) -> Path:
        """The keys that its releases are signed with."""
        return Path(f"/usr/share/keyrings/{self.name.lower()}-archive-keyring.gpg")

    @property
    def debootstrap_script(self) -> str:
        """What debootstrap makes all of its releases with, also those it does not know yet."""
        return "sid" if self is Distribution.DEBIAN else "gutsy"

    @property
    def keyring_package(self) -> str:
        """Its own package that has them."""
        return "debian-archive-keyring" if self is Distribution.DEBIAN else "ubuntu-keyring"


class Suite(Enum):
    """Releases that base trees are made of."""

    BOOKWORM = "bookworm"
    """Debian 12."""
    TRIXIE = "trixie"
    """Debian 13."""
    JAMMY = "jammy"
    """Ubuntu 22.04."""
    NOBLE = "noble"
    """Ubuntu 24.04."""

    @property
    def distribution(self) -> Distribution:
        """Whose release it is."""
        is_ubuntu = self in (Suite.JAMMY, Suite.NOBLE)
        return Distribution.UBUNTU if is_ubuntu else Distribution.DEBIAN


DEFAULT_SUITE = Suite.BOOKWORM


class Acceleration(Enum):
    """How guests run."""

    AUTO = "auto"
    """KVM if a trial guest runs with it, else TCG."""
    KVM = "kvm"
    TCG = "tcg"


BARE_PACKAGES = (
    # What makes a host that Ansible can log in to; python3-apt is what its check mode needs.
    "ca-certificates", "dbus", "iproute2", "kmod", "openssh-server", "python3", "python3-apt",
    "sudo", "systemd", "systemd-sysv", "udev",
)  # fmt: skip
READY_PACKAGES = (
    # What `mrunkit bootstrap` installs, so that it finds everything there.
    "apparmor", "chrony", "docker.io", "gcc", "iptables", "iputils-ping", "libc6-dev",
    "libmpich-dev", "make", "mpich", "nfs-common", "nfs-kernel-server", "nftables", "python3-venv",
    "openssh-client", "procps", "rsync",
    # And what its archives of Mesos need to run.
    "libapr1", "libcurl4", "libsasl2-2", "libsasl2-modules", "libsvn1", "zlib1g",
)  # fmt: skip
READY_PACKAGES_OF_SUITE = {
    # Debian 13 has taken the client out of docker.io.
    Suite.TRIXIE: ("docker-cli",),
    # mrunkit needs Python 3.11.
    Suite.JAMMY: ("python3.11-venv",),
}
KERNEL_PACKAGES = {
    Distribution.DEBIAN: ("initramfs-tools", "linux-image-cloud-amd64"),
    Distribution.UBUNTU: ("initramfs-tools", "linux-image-virtual"),
}
"""They have what a lab needs: NFS server and client, ESP, VXLAN, IPVS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a base tree is made of."""

    suite: Suite
    packages: tuple[str, ...]
    mirror: str | None = None
    """None: where this machine's apt takes the distribution from, else debootstrap's default."""
    has_kernel: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing was asked for in particular."""
        kernel = KERNEL_PACKAGES[self.suite.distribution] if self.has_kernel else ()
        return self.mirror is None and set(self.packages) == {*BARE_PACKAGES, *kernel}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSize:
    """What each QEMU guest gets; None: what those of a lab that is there have, else the default."""

    memory: int | None = None
    """MB."""
    cpus: int | None = None
    acceleration: Acceleration | None = None
    cgroups: int | None = None
    """Version of control groups; agents of Apache Mesos need 1 for containers."""

    @property
    def asked(self) -> dict[str, str]:
        """The options that were given, with their values."""
        accel = None if self.acceleration is None else self.acceleration.value
        options = {"--memory": self.memory, "--cpus": self.cpus, "--accel": accel}
        options["--cgroups"] = self.cgroups
        return {option: str(value) for option, value in options.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRequest:
    """A lab to bring up."""

    name: str
    backend: Backend
    hosts: int | None
    """None: whatever number a lab that is there has; DEFAULT_HOSTS of a new one."""
    suite: Suite | None = None
    """That was asked for; None: whatever a lab that is there has; the recipe's of a new one."""
    recipe: Recipe
    image: Path | None = None
    """A cloud image (qcow2) for QEMU guests, instead of a base tree."""
    size: GuestSize


def recipe(
    backend: Backend,
    suite: Suite,
    *,
    is_ready: bool,
    extra: tuple[str, ...] = (),
    mirror: str | None = None,
) -> Recipe:
    """The recipe of a base tree for a backend; `extra` are packages besides the usual."""
    has_kernel = backend is Backend.QEMU
    packages = {*BARE_PACKAGES, *extra}
    if is_ready:
        packages.update(READY_PACKAGES, READY_PACKAGES_OF_SUITE.get(suite, ()))
    packages.update(KERNEL_PACKAGES[suite.distribution] if has_kernel else ())
    return Recipe(
        suite=suite, packages=tuple(sorted(packages)), mirror=mirror, has_kernel=has_kernel
    )


def check_name(name: str) -> None:
    """See that a lab's name can be part of names of containers and files."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", name):
        raise UsageError(
            f"--name {name}: must be up to 30 lower-case letters, digits and inner hyphens"
        )


def check_request(request: LabRequest) -> None:
    """Raise UsageError with all that is wrong with a request."""
    wrong = []
    if request.image is not None and request.backend is not Backend.QEMU:
        wrong.append(f"--image {request.image}: cloud images are for --backend qemu")
    asked = request.size.asked
    if "--cgroups" in asked and (request.backend is not Backend.QEMU or request.image):
        wrong.append(
            f"--cgroups {asked.pop('--cgroups')}: is for qemu's guests of a base tree; containers "
            "have this machine's, and a cloud image what its boot loader says"
        )
    if request.backend is not Backend.QEMU:
        wrong += [f"{option} {value}: is for --backend qemu" for option, value in asked.items()]
    if request.image is not None and not request.image.is_file():
        wrong.append(f"--image {request.image}: there is no such file")
    if request.image is not None and not request.recipe.is_plain:
        wrong.append(f"--image {request.image}: has what it has; packages are for base trees")
    if request.image is not None and request.suite is not None:
        wrong.append(f"--image {request.image}: has what it has; --suite is for base trees")
    for package in request.recipe.packages:
        # Debian policy 5.6.1; also keeps options of apt-get out. A last - tells apt to remove what
        # is before it, and a last + to install it, but in names such as g++.
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*([a-z0-9.]|\+\+)", package):
            wrong.append(f"--include {package}: is no package name")
    mirror = request.recipe.mirror
    if mirror is not None and not re.match(r"(https?|file)://?\S+$", mirror):
        wrong.append(f"--mirror {mirror}: is no address such as http://HOST/debian")
    if wrong:
        raise UsageError("\n".join(wrong))
