"""Hosts as QEMU guests: a kernel of their own, a card to the outside and one to each other.

Owns their disks and processes. Nothing of the machine's network is changed: the outside is
reached by QEMU's user networking, ssh comes in by a forwarded port of the loopback interface,
and the second cards share a multicast group there.
"""

from __future__ import annotations

import platform
import uuid
from dataclasses import replace
from pathlib import Path

from mrunkit.lab import cloud_init, qemu_processes, seed
from mrunkit.lab.addresses import GUEST_SUBNET, host_address
from mrunkit.lab.directory import Labs
from mrunkit.lab.files import explained_state
from mrunkit.lab.qemu_command import (
    PROGRAM,
    GuestFiles,
    guest_command,
    guest_uuid,
    mac_addresses,
    multicast_port,
    parse_udp_ports,
)
from mrunkit.lab.qemu_images import (
    Base,
    image_format,
    make_base,
    make_overlay,
    require_base_makers,
)
from mrunkit.lab.record import GuestRecord, HostRecord, HostState, LabRecord
from mrunkit.lab.request import (
    DEFAULT_CGROUPS,
    DEFAULT_CPUS,
    DEFAULT_MEMORY,
    Acceleration,
    LabError,
    LabRequest,
)
from mrunkit.lab.tools import require_tools
from mrunkit.lab.tree import Progress

_PORT_ATTEMPTS = 5
_SPEEDS = {
    "kvm": "will run with KVM",
    "tcg": "will run with TCG, 8 to 10 times slower than this machine",
}


class QemuHosts:
    """Guests as hosts; implements life.HostBackend."""

    ready_seconds = 900.0
    """Three guests without KVM take one to two minutes on two idle processors."""

    def __init__(self, cache: Path, labs: Labs) -> None:
        self._cache = cache
        self._labs = labs

    def prepare(self, request: LabRequest, *, created: float, progress: Progress) -> LabRecord:
        """A lab without hosts yet, of a base that is made if it is not there."""
        if platform.machine() != "x86_64":
            raise LabError(
                f"guests are x86_64, and this machine is {platform.machine()}",
                remedy="use --backend docker",
            )
        if request.image is None:
            require_base_makers(request.recipe, self._cache)
        require_tools(PROGRAM, "qemu-img")
        size = request.size
        accelerator = qemu_processes.choose_accelerator(size.acceleration or Acceleration.AUTO)
        progress.show("guests", _SPEEDS[accelerator])
        if request.image is not None:
            image_format(request.image)
            base = request.image
        else:
            base = make_base(request.recipe, self._cache, progress).directory
        identity = uuid.uuid4().hex
        used = parse_udp_ports(Path("/proc/net/udp").read_text())
        guests = GuestRecord(
            memory=size.memory or DEFAULT_MEMORY,
            cpus=size.cpus or DEFAULT_CPUS,
            accelerator=accelerator,
            multicast_port=multicast_port(identity, used),
            is_cloud_image=request.image is not None,
            cgroups=size.cgroups or DEFAULT_CGROUPS,
        )
        return LabRecord(
            name=request.name,
            identity=identity,
            backend=request.backend,
            base=str(base),
            packages=request.recipe.packages if request.image is None else (),
            created=created,
            guests=guests,
        )

    def place(self, lab: LabRecord, count: int) -> LabRecord:
        """Give each guest its address in the lab; its port comes when it starts."""
        user = cloud_init.USER if _guests(lab).is_cloud_image else "root"
        hosts = tuple(
            HostRecord(
                name=f"host{number}",
                address=host_address(GUEST_SUBNET, number),
                ssh_address="127.0.0.1",
                ssh_port=0,
                user=user,
            )
            for number in range(count)
        )
        return replace(lab, hosts=hosts)

    def create(self, lab: LabRecord, keys: dict[str, seed.HostKeys]) -> None:
        """Make the guests' disks and seeds."""
        for host in lab.hosts:
            files = self._files(lab, host.name)
            macs = mac_addresses(lab, host.name)
            if _guests(lab).is_cloud_image:
                image = Path(lab.base)
                make_overlay(files.disk, image, image_format(image))
                texts = cloud_init.seed_files(
                    lab, host.name, keys[host.name], macs=macs, prefix=GUEST_SUBNET.prefixlen
                )
                with explained_state("write", files.seed):
                    files.seed.mkdir()
                    for name, text in texts.items():
                        (files.seed / name).write_text(text)
            else:
                make_overlay(files.disk, Base(directory=Path(lab.base)).disk, "raw")
                own = seed.guest_files(lab, host.name, macs, GUEST_SUBNET)
                packed = seed.archive([*seed.ssh_files(keys[host.name]), *own])
                with explained_state("write", files.seed):
                    files.seed.write_bytes(packed)

    def start(self, lab: LabRecord) -> LabRecord:
        """Start the guests that do not run, each at the port that it had if that is free."""
        running = self.states(lab)
        hosts = tuple(
            host
            if running[host.name] is HostState.RUNNING
            else _start(lab, host, self._files(lab, host.name))
            for host in lab.hosts
        )
        return replace(lab, hosts=hosts)

    def states(self, lab: LabRecord) -> dict[str, HostState]:
        """What becomes of each guest."""
        uuids = {host.name: guest_uuid(lab, host.name) for host in lab.hosts}
        running = qemu_processes.find(set(uuids.values()))

        def state(name: str) -> HostState:
            if uuids[name] in running:
                return HostState.RUNNING
            has_disk = self._files(lab, name).disk.exists()
            return HostState.STOPPED if has_disk else HostState.MISSING

        return {name: state(name) for name in uuids}

    def last_words(self, lab: LabRecord, host: str) -> str:
        """What a guest's serial console said."""
        console = self._files(lab, host).console
        return console.read_text(errors="replace") if console.exists() else ""

    def remove(self, lab: LabRecord) -> None:
        """End the guests' processes. Their files go with the lab's directory.

        No guest is asked to power off: its disk goes too, and nobody waits for what it would
        still write.
        """
        uuids = {guest_uuid(lab, host.name) for host in lab.hosts}
        for uuid_, pid in qemu_processes.find(uuids).items():
            qemu_processes.end(uuid_, pid)

    def _files(self, lab: LabRecord, host: str) -> GuestFiles:
        own = self._labs.directory(lab.name).host(host)
        base = None if _guests(lab).is_cloud_image else Base(directory=Path(lab.base))
        return GuestFiles(
            disk=own / "root.qcow2",
            console=own / "console.log",
            seed=own / ("seed" if base is None else "seed.tar"),
            kernel=None if base is None else base.kernel,
            initrd=None if base is None else base.initrd,
        )


def _start(lab: LabRecord, host: HostRecord, files: GuestFiles) -> HostRecord:
    """Start a guest; the port that was found free may be taken by another process meanwhile."""
    port = qemu_processes.free_port(host.ssh_port)
    for attempt in range(_PORT_ATTEMPTS):
        placed = replace(host, ssh_port=port)
        try:
            qemu_processes.start(guest_command(lab, placed, _guests(lab), files))
        except qemu_processes.PortTakenError:
            if attempt == _PORT_ATTEMPTS - 1:
                raise
            port = qemu_processes.free_port()
        else:
            return placed
    raise AssertionError("the last attempt returns or raises")


def _guests(lab: LabRecord) -> GuestRecord:
    assert lab.guests is not None, "a lab of guests says what they are"
    return lab.guests
