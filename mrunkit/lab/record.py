"""A lab as it is kept in its lab.json: what `ls`, `ssh` and `down` know of it. Pure."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from enum import Enum

from mrunkit.lab.request import Backend


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

    def machine_id(self, host: str) -> str:
        """A host's /etc/machine-id: its own, and the same whenever it starts."""
        return uuid.uuid5(uuid.UUID(self.identity), host).hex


def to_json(lab: LabRecord) -> str:
    """The text of lab.json."""
    return json.dumps({**asdict(lab), "backend": lab.backend.value}, indent=2) + "\n"


def from_json(text: str) -> LabRecord:
    """A lab from its lab.json; ValueError, TypeError or KeyError if it is none."""
    fields = json.loads(text)
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


def lab_state(lab: LabRecord, states: dict[str, HostState]) -> str:
    """A lab's state in a word, from its hosts'."""
    if not lab.is_complete:
        return "incomplete"
    found = set(states.values())
    return found.pop().value if len(found) == 1 else "partly running"
