"""What programs on a host are asked, and what their answers mean. Pure.

A fact that could not be had is a `Missing`, which says why.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mrunkit.provision.doctor.hosts import Command
from mrunkit.ssh import Completed

MPICH_QUESTION = (
    "PATH={prefix}/bin:$PATH; command -v mpiexec.hydra || command -v mpiexec || exit 127; "
    "mpichversion 2>/dev/null || mpiexec --version"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A fact that could not be had."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Whether the host's clock is kept, and by what."""

    is_kept: bool
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mpich:
    """MPICH as the lab's user finds it."""

    version: str
    mpiexec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system, by one of the directories on it."""

    directory: str
    size: int
    """MB"""
    free: int
    """MB"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """A Docker engine, and what it says of the swarm that it is in."""

    version: str
    swarm_state: str
    """"active", "inactive", "pending", "error" or "locked"."""
    swarm_error: str
    node_id: str
    node_address: str
    """By which the other nodes reach it."""
    is_manager: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What one host says of itself."""

    clock: Clock | Missing
    disks: tuple[Disk, ...] | Missing
    open_files: int | Missing
    mpich: Mpich | Missing
    docker: Docker | Missing
    image_id: str | Missing | None
    """None: the engine does not have it."""


def fact_commands(
    *, user: str, share: str, image: str | None, mpich_prefix: str
) -> dict[str, Command]:
    """What to run on a host, by what it tells; MPICH may also be elsewhere in PATH."""
    login = ("runuser", "-l", user, "-c")
    commands = {
        "chronyc": Command(words=("chronyc", "-c", "tracking")),
        "timedatectl": Command(words=("timedatectl",)),
        "container": Command(words=("systemd-detect-virt", "--container")),
        "df": Command(words=("df", "-Pk", "/", "/var/lib/docker", "/var/lib/mesos", share)),
        "ulimit": Command(words=(*login, "ulimit -Sn")),
        "mpich": Command(words=(*login, MPICH_QUESTION.format(prefix=shlex.quote(mpich_prefix)))),
        # An engine of a busy host may take its time; one that hangs is told in the end.
        "docker": Command(words=("docker", "info", "--format", "{{json .}}"), timeout=60),
    }
    if image is not None:
        inspect = ("docker", "image", "inspect", "--format", "{{.Id}}", image)
        commands["image"] = Command(words=inspect)
    return commands


def parse_facts(ended: Mapping[str, Completed]) -> HostFacts:
    """Read what the commands of `fact_commands` have printed."""
    return HostFacts(
        clock=parse_clock(ended["container"], ended["chronyc"], ended["timedatectl"]),
        disks=parse_disks(ended["df"]),
        open_files=_open_files(ended["ulimit"]),
        mpich=parse_mpich(ended["mpich"]),
        docker=parse_docker(ended["docker"]),
        image_id=_image_id(ended["image"]) if "image" in ended else None,
    )


def parse_clock(
    container: Completed, chronyc: Completed, timedatectl: Completed
) -> Clock | Missing:
    """Whether chrony, or whoever tells systemd, keeps the clock."""
    if container.status == 0:
        return Clock(is_kept=True, by="its engine")  # and no container may set it
    if chronyc.status == 0:
        # Source: chronyc(1), -c and "tracking"; the leap status is the last column.
        leap = chronyc.stdout.strip().rpartition(",")[2]
        return Clock(is_kept=leap != "Not synchronised", by="chrony")
    said = re.search(r"(?:NTP|System clock) synchronized: (yes|no)", timedatectl.stdout)
    if said is None:
        return Missing(why=f"neither chronyc nor timedatectl tells: {last_words(timedatectl)}")
    return Clock(is_kept=said[1] == "yes", by="systemd")


def parse_disks(df: Completed) -> tuple[Disk, ...] | Missing:
    """One of each file system; directories that are not there are left out."""
    found: dict[str, Disk] = {}
    for line in df.stdout.splitlines()[1:]:
        # From the right: a device may have spaces in its name.
        device, size, _, free, _, mounted = line.rsplit(maxsplit=5)
        if size.isdecimal() and int(size):
            mb = {"size": int(size) // 1024, "free": int(free) // 1024}
            found.setdefault(device, Disk(directory=mounted, **mb))
    return tuple(found.values()) or Missing(why=f"df: {last_words(df)}")


def parse_mpich(ended: Completed) -> Mpich | Missing:
    """From `mpichversion`, or `mpiexec --version` where only that is."""
    version = re.search(r"^\s*(?:MPICH )?Version:\s*(\S+)", ended.stdout, re.MULTILINE)
    mpiexec = re.search(r"^/.*$", ended.stdout, re.MULTILINE)
    if version is None or mpiexec is None:
        return Missing(why=last_words(ended) if ended.status != 127 else "it is not in PATH")
    return Mpich(version=version[1], mpiexec=mpiexec[0])


def parse_docker(info: Completed) -> Docker | Missing:
    """From `docker info`, which prints JSON also when the engine does not answer."""
    if info.status == 127:
        return Missing(why="there is no docker command")
    told: dict[str, Any] = {}
    if info.stdout.startswith("{"):
        told = json.loads(info.stdout)
    if not told.get("ServerVersion"):
        errors = told.get("ServerErrors") or [last_words(info)]
        return Missing(why=f"the engine does not answer: {errors[0]}")
    swarm = told["Swarm"]
    return Docker(
        version=told["ServerVersion"],
        swarm_state=swarm["LocalNodeState"],
        swarm_error=swarm.get("Error", ""),
        node_id=swarm["NodeID"],
        node_address=swarm["NodeAddr"],
        is_manager=swarm["ControlAvailable"],
    )


def last_words(ended: Completed) -> str:
    """The last line that a command has said of its failure."""
    said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return said[-1] if said else f"status {ended.status}"


def _open_files(ended: Completed) -> int | Missing:
    text = ended.stdout.strip().rpartition("\n")[2]
    if text == "unlimited":
        return 1 << 30
    return int(text) if text.isdecimal() else Missing(why=last_words(ended))


def _image_id(ended: Completed) -> str | Missing | None:
    if ended.status == 0:
        return ended.stdout.strip()
    if "no such image" in ended.stderr.lower():
        return None
    return Missing(why=last_words(ended))
