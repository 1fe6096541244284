"""A lab as it is kept in its lab.json: what `ls`, `ssh` and `down` know of it. Pure."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from mrunkit.lab.request import Acceleration, Backend, GuestSize, LabRequest, Suite

NAME_LABEL = "mrunkit.lab.name"
"""On everything of a lab that a Docker engine has."""


class HostState(Enum):
    """What becomes of a host."""

    RUNNING = "running"
    STOPPED = "stopped"
    """It is there and can be started."""
    MISSING = "missing"
    """Somebody else removed it."""
    UNKNOWN = "unknown"
    """Its backend does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """One host, and how it is reached."""

    name: str
    address: str
    """By which the lab's hosts reach each other."""
    ssh_address: str
    """By which this machine reaches it."""
    ssh_port: int
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRecord:
    """What all QEMU guests of a lab have in common."""

    memory: int
    """MB."""
    cpus: int
    accelerator: str
    """kvm or tcg."""
    multicast_port: int
    """Of the network that joins their second cards."""
    is_cloud_image: bool
    cgroups: int = 2
    """Their version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """The Docker engine that has a lab's containers."""

    identity: str
    """As it tells its own (docker info)."""
    docker_host: str | None
    """DOCKER_HOST, by which it was reached; None if that was not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRecord:
    """A lab."""

    name: str
    identity: str
    """Hexadecimal; on everything of this lab, so that nothing else is ever removed."""
    backend: Backend
    base: str
    """Docker image, directory of a base, or file of a cloud image."""
    packages: tuple[str, ...]
    """Of the base; none are known of a cloud image."""
    created: float
    """Seconds since the epoch."""
    is_complete: bool = False
    """All hosts answered once; else `up` was cut off, or is still at it."""
    hosts: tuple[HostRecord, ...] = ()
    guests: GuestRecord | None = None
    engine: EngineRecord | None = None
    """Of containers; None also in records that older versions wrote."""

    def host(self, name: str) -> HostRecord | None:
        """The host of this name."""
        return next((host for host in self.hosts if host.name == name), None)

    @property
    def image(self) -> Path | None:
        """The cloud image that its guests are of; None if they are of a base tree."""
        is_cloud_image = self.guests is not None and self.guests.is_cloud_image
        return Path(self.base) if is_cloud_image else None

    @property
    def suite(self) -> Suite | None:
        """The release of its base tree, with which the tree's name begins."""
        begin = re.split("[:/]", self.base)[-1].partition("-")[0]
        known = [suite for suite in Suite if suite.value == begin and self.image is None]
        return known[0] if known else None

    def machine_id(self, host: str) -> str:
        """A host's /etc/machine-id: its own, and the same whenever it starts."""
        return uuid.uuid5(uuid.UUID(self.identity), host).hex


def to_json(lab: LabRecord) -> str:
    """The text of lab.json."""
    return json.dumps({**asdict(lab), "backend": lab.backend.value}, indent=2) + "\n"


def from_json(text: str) -> LabRecord:
    """A lab from its lab.json; ValueError, TypeError or KeyError if it is none."""
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise TypeError("it is no record of a lab")
    guests, engine = fields.pop("guests"), fields.pop("engine", None)
    return LabRecord(
        **{
            **fields,
            "backend": Backend(fields["backend"]),
            "packages": tuple(fields["packages"]),
            "hosts": tuple(HostRecord(**host) for host in fields["hosts"]),
            "guests": None if guests is None else GuestRecord(**guests),
            "engine": None if engine is None else EngineRecord(**engine),
        }
    )


def differences(lab: LabRecord, request: LabRequest) -> list[str]:
    """What a lab has in the place of what is asked for; nothing if it will do."""
    if lab.backend is not request.backend or request.hosts not in (None, len(lab.hosts)):
        return [f"with {len(lab.hosts)} hosts of backend {lab.backend.value}"]
    return [
        *_base_differences(lab, request),
        *(_size_differences(lab.guests, request.size) if lab.guests is not None else ()),
    ]


def _base_differences(lab: LabRecord, request: LabRequest) -> list[str]:
    of_image = f"of image {lab.image}" if lab.image is not None else "of a base tree"
    if request.image is not None:
        return [of_image] if request.image != lab.image else []
    if lab.image is not None:
        # Nobody knows what is in it.
        return [of_image] if request.suite is not None or not request.recipe.is_plain else []
    if request.suite not in (None, lab.suite):
        return [f"of suite {lab.suite.value if lab.suite is not None else 'unknown'}"]
    missing = sorted(set(request.recipe.packages) - set(lab.packages))
    return [f"without {', '.join(missing)}"] if missing else []


def _size_differences(guests: GuestRecord, size: GuestSize) -> list[str]:
    has = {
        "--memory": str(guests.memory),
        "--cpus": str(guests.cpus),
        "--accel": guests.accelerator,
        "--cgroups": str(guests.cgroups),
    }
    asked = size.asked
    if size.acceleration is Acceleration.AUTO:
        del asked["--accel"]
    return [f"with {option} {has[option]}" for option in asked if asked[option] != has[option]]


def lab_state(lab: LabRecord, states: dict[str, HostState]) -> str:
    """A lab's state in a word, from its hosts'."""
    if not lab.is_complete:
        return "incomplete"
    found = set(states.values())
    return found.pop().value if len(found) == 1 else "partly running"
