"""The command that is a QEMU guest, and what it is told. Pure."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from mrunkit.lab.record import GuestRecord, HostRecord, LabRecord

PROGRAM = "qemu-system-x86_64"
MULTICAST_GROUP = "230.0.0.1"

ROOT_LABEL = "lab-root"
_KERNEL_OPTIONS = (
    f"root=LABEL={ROOT_LABEL} rw console=ttyS0 net.ifnames=0 quiet mitigations=off no_timer_check"
)
"""quiet: a guest without KVM takes longer to boot if it has more to write; nor does it need to be
kept from what its emulated processor does not do, which costs it a tenth. On a busy machine it may
get no turn while it waits for its timer, and would take that for broken."""

_CGROUPS_1_OPTIONS = (
    "systemd.unified_cgroup_hierarchy=0",
    # From systemd 256 on it is not enough to ask.
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFiles:
    """The files of a guest."""

    disk: Path
    console: Path
    seed: Path
    """A tar archive; of a cloud image's guest, a directory for cloud-init."""
    kernel: Path | None
    """None: the disk has its own, and boots by itself."""
    initrd: Path | None


def guest_command(
    lab: LabRecord, host: HostRecord, guest: GuestRecord, files: GuestFiles
) -> list[str]:
    """The words that start a guest; it goes to the background once it runs."""
    uplink, second = mac_addresses(lab, host.name)
    forward = f"hostfwd=tcp:{host.ssh_address}:{host.ssh_port}-:22"
    multicast = f"mcast={MULTICAST_GROUP}:{guest.multicast_port},localaddr=127.0.0.1"
    words = [PROGRAM, "-daemonize", "-uuid", guest_uuid(lab, host.name)]
    words += ["-name", f"{lab.name}-{host.name}"]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc"]
    words += accelerator_words(guest.accelerator, is_cloud_image=guest.is_cloud_image)
    words += ["-smp", str(guest.cpus), "-m", str(guest.memory)]
    words += ["-serial", f"file:{_escaped(files.console)}"]
    words += ["-object", "rng-random,id=rng,filename=/dev/urandom"]
    words += ["-device", "virtio-rng-pci,rng=rng"]
    # What a crash of this machine would lose of a lab's disks is no loss, and without waiting
    # for this machine's disk, dpkg and Docker are several times faster in a guest.
    # Where that disk is full, the guest is told: by default it would be halted for ever.
    disk = f"file={_escaped(files.disk)},format=qcow2,cache=unsafe,werror=report,if=none,id=root"
    words += ["-drive", disk, "-device", "virtio-blk-pci,drive=root"]
    words += _seed_words(guest, files.seed)
    words += ["-netdev", f"user,id=uplink,ipv6=off,hostname={host.name},{forward}"]
    words += ["-device", f"virtio-net-pci,netdev=uplink,mac={uplink},romfile="]
    words += ["-netdev", f"socket,id=lab,{multicast}"]
    words += ["-device", f"virtio-net-pci,netdev=lab,mac={second},romfile="]
    if files.kernel is not None and files.initrd is not None:
        words += ["-kernel", str(files.kernel), "-initrd", str(files.initrd)]
        words += ["-append", kernel_options(lab, host.name, cgroups=guest.cgroups)]
    return words


def accelerator_words(accelerator: str, *, is_cloud_image: bool = False) -> list[str]:
    """How the guest's instructions are executed, and which there are.

    Emulated, what a newer processor has besides makes programs slower: glibc and Go use its wide
    vectors wherever there are any. A system in a cloud image may not start without them.
    """
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max" if is_cloud_image else "Nehalem"]


def kernel_options(lab: LabRecord, host: str, *, cgroups: int) -> str:
    """The kernel's command line: what systemd must know before the seed is unpacked."""
    identity = (f"systemd.hostname={host}", f"systemd.machine_id={lab.machine_id(host)}")
    return " ".join([_KERNEL_OPTIONS, *identity, *(_CGROUPS_1_OPTIONS if cgroups == 1 else ())])


def guest_uuid(lab: LabRecord, host: str) -> str:
    """By which a guest's process is told from all others."""
    return str(uuid.UUID(lab.machine_id(host)))


def mac_addresses(lab: LabRecord, host: str) -> tuple[str, str]:
    """Of a guest's cards, that to the outside and that to the lab."""

    def mac(card: str) -> str:
        digest = hashlib.sha256(f"{lab.identity} {host} {card}".encode()).digest()
        return "52:54:00:" + digest[:3].hex(":")

    return mac("uplink"), mac("lab")


def multicast_port(identity: str, used: set[int]) -> int:
    """A UDP port for a lab's network: its own, and in use by nobody here."""
    port = 20000 + int(identity[:8], 16) % 12000
    while port in used:
        port += 1
    return port


def parse_udp_ports(table: str) -> set[int]:
    """The local ports in /proc/net/udp."""
    return {int(line.split()[1].rpartition(":")[2], 16) for line in table.splitlines()[1:]}


def _seed_words(guest: GuestRecord, seed: Path) -> list[str]:
    if guest.is_cloud_image:
        # A FAT file system that QEMU makes of a directory; cloud-init looks for the label.
        source = f"file.driver=vvfat,file.dir={_escaped(seed)},file.label=CIDATA"
    else:
        source = f"file={_escaped(seed)}"
    drive = f"{source},format=raw,read-only=on,if=none,id=seed"
    return ["-drive", drive, "-device", "virtio-blk-pci,drive=seed,serial=lab-seed"]


def _escaped(path: Path) -> str:
    """A path inside an option of QEMU, where a comma ends it unless doubled."""
    return str(path).replace(",", ",,")
