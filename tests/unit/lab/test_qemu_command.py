"""The command line of a guest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labs import GUESTS, guest_lab

from mrunkit.lab.qemu_command import (
    GuestFiles,
    guest_command,
    mac_addresses,
    multicast_port,
    parse_udp_ports,
)

FILES = GuestFiles(
    disk=Path("/labs/a,b/root.qcow2"),
    console=Path("/labs/a,b/console.log"),
    seed=Path("/labs/a,b/seed.tar"),
    kernel=Path("/base/vmlinuz"),
    initrd=Path("/base/initrd.img"),
)

UDP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  100: 0100007F:5BA0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
  101: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
"""


def words(number: int = 0, **files: Path | None) -> list[str]:
    """The command of a guest."""
    found = guest_lab()
    return guest_command(found, found.hosts[number], GUESTS, replace(FILES, **files))


def test_a_comma_in_a_path_does_not_end_it() -> None:
    """QEMU takes a doubled one for one."""
    assert [word for word in words() if word.startswith("file=/labs/a,,b/root.qcow2,format=")]


def test_a_full_disk_of_this_machine_does_not_halt_a_guest() -> None:
    """It gets an error for what it writes; QEMU's default is to stop it, and nobody would know."""
    (disk,) = (word for word in words() if "root.qcow2" in word)
    assert "werror=report" in disk.split(",")


def test_no_two_guests_share_what_must_be_their_own() -> None:
    """Cards, identities and ports."""
    found = guest_lab()
    macs = {mac for host in found.hosts for mac in mac_addresses(found, host.name)}
    uuids = {command[command.index("-uuid") + 1] for command in map(words, range(3))}
    forwards = {word for number in range(3) for word in words(number) if "hostfwd" in word}
    assert (len(macs), len(uuids), len(forwards)) == (6, 3, 3)


def test_a_guest_boots_with_the_control_groups_asked_for() -> None:
    """By its kernel's command line."""
    found = guest_lab()

    def options(cgroups: int) -> str:
        command = guest_command(found, found.hosts[0], replace(GUESTS, cgroups=cgroups), FILES)
        return command[command.index("-append") + 1]

    assert "systemd.unified_cgroup_hierarchy=0" in options(1).split()
    assert "cgroup" not in options(2).lower()


def test_ssh_is_reached_from_this_machine_only() -> None:
    """The forwarded port listens on the loopback interface."""
    (uplink,) = (word for word in words(1) if "hostfwd" in word)
    assert uplink.endswith("hostfwd=tcp:127.0.0.1:40001-:22")


def test_guests_of_a_lab_share_a_network_that_stays_on_this_machine() -> None:
    """The same group and port for each."""
    joined = {word for number in range(3) for word in words(number) if word.startswith("socket,")}
    assert joined == {"socket,id=lab,mcast=230.0.0.1:23456,localaddr=127.0.0.1"}


def test_a_reboot_does_not_end_a_guest() -> None:
    """Nothing keeps QEMU from going on."""
    assert {"-no-reboot", "-no-shutdown", "-snapshot"} & set(words()) == set()


def test_a_cloud_image_boots_by_itself_and_finds_its_seed_by_label() -> None:
    """cloud-init looks for a file system called CIDATA."""
    guests = replace(GUESTS, is_cloud_image=True)
    found = guest_lab(guests=guests)
    files = replace(FILES, kernel=None, initrd=None, seed=Path("/labs/seed"))
    command = guest_command(found, found.hosts[0], guests, files)
    assert "-kernel" not in command
    assert [word for word in command if "file.dir=/labs/seed,file.label=CIDATA" in word]


def test_only_a_cloud_image_gets_all_instructions_emulated() -> None:
    """They are slower than plain ones; but it may not start without them."""
    found = guest_lab()
    for is_cloud_image, model in ((False, "Nehalem"), (True, "max")):
        guests = replace(GUESTS, is_cloud_image=is_cloud_image)
        command = guest_command(found, found.hosts[0], guests, FILES)
        assert command[command.index("-cpu") + 1] == model


def test_labs_that_run_keep_their_multicast_ports() -> None:
    """A new one takes the next that is free."""
    used = parse_udp_ports(UDP)
    assert used == {0x5BA0, 0x44}
    identity = f"{0x5BA0 - 20000:08x}" + "0" * 24
    assert multicast_port(identity, set()) == 0x5BA0
    assert multicast_port(identity, used) == 0x5BA1
