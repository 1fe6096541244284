"""Labs and requests for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mrunkit.lab.record import GuestRecord, HostRecord, LabRecord
from mrunkit.lab.request import BARE_PACKAGES, Backend, GuestSize, LabRequest, Suite, recipe

GUESTS = GuestRecord(
    memory=1024, cpus=1, accelerator="tcg", multicast_port=23456, is_cloud_image=False
)


def lab(count: int = 3, **fields: Any) -> LabRecord:
    """A lab of containers, but for these fields."""
    made = LabRecord(
        name="trial",
        identity="0123456789abcdef0123456789abcdef",
        backend=Backend.DOCKER,
        base="mrunkit/lab:bookworm-0",
        packages=BARE_PACKAGES,
        created=1000.0,
        is_complete=True,
        hosts=tuple(host(number) for number in range(count)),
    )
    return replace(made, **fields)


def guest_lab(count: int = 3, **fields: Any) -> LabRecord:
    """A lab of guests."""
    made = tuple(
        replace(
            host(number),
            address=f"10.77.0.{10 + number}",
            ssh_address="127.0.0.1",
            ssh_port=40000 + number,
        )
        for number in range(count)
    )
    return lab(count, **{"hosts": made, "backend": Backend.QEMU, "guests": GUESTS, **fields})


def host(number: int) -> HostRecord:
    """A container."""
    address = f"10.88.0.{10 + number}"
    return HostRecord(
        name=f"host{number}", address=address, ssh_address=address, ssh_port=22, user="root"
    )


def request(**fields: Any) -> LabRequest:
    """A request for two containers, but for these fields."""
    made = LabRequest(
        name="trial",
        backend=Backend.DOCKER,
        hosts=2,
        recipe=recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False),
        size=GuestSize(),
    )
    return replace(made, **fields)
