"""A lab of guests: up, used, rebooted, powered off, started again and down."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from laboratory import Laboratory, until

# A guest without KVM boots in half a minute on an idle processor, and in several on a busy one.
pytestmark = [pytest.mark.qemu, pytest.mark.timeout(1800)]

UP = ("lab", "up", "--backend", "qemu", "--ready", "--memory", "1024")


@pytest.fixture(scope="module")
def lab(laboratory: Laboratory) -> Iterator[Laboratory]:
    """A guest, which tests may restart."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU: apt-get install qemu-system-x86 qemu-utils")
    laboratory.mrunkit(*UP, "--name", laboratory.name, "--hosts", "1")
    yield laboratory
    laboratory.mrunkit("lab", "down", "--name", laboratory.name, check=False)


def guests(laboratory: Laboratory) -> list[int]:
    """The processes of a lab's guests: those that write into its directory."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"qemu-") and str(laboratory.state).encode() in words:
            found.append(int(directory.name))
    return found


def test_a_guest_has_a_kernel_that_a_lab_needs(lab: Laboratory) -> None:
    """NFS, and ESP for encrypted overlays: what containers can lack."""
    assert lab.ssh("host0", "modprobe -a nfsd esp4 vxlan ip_vs && echo loaded") == "loaded"


def test_a_guest_has_its_name_and_both_its_addresses(lab: Laboratory) -> None:
    """One to the outside, and one to the lab, by which its name is known."""
    assert lab.ssh("host0", "hostname") == "host0"
    assert lab.ssh("host0", "getent hosts host0").split()[0] == "10.77.0.10"
    addresses = lab.ssh("host0", "ip -4 -brief address").splitlines()
    of_cards = {line.split()[0]: line.split()[2] for line in addresses}
    assert (of_cards["eth0"], of_cards["eth1"]) == ("10.0.2.15/24", "10.77.0.10/24")


def test_a_guest_survives_its_reboot(lab: Laboratory) -> None:
    """With its files, and what was changed in /etc is not laid anew."""
    lab.ssh("host0", "touch /run/lost; echo mine >/etc/hosts; systemctl reboot", check=False)
    is_back = "test ! -e /run/lost && echo back"
    until(lambda: lab.ssh("host0", is_back, check=False) == "back", seconds=900)
    assert lab.ssh("host0", "cat /etc/hosts") == "mine"


def test_up_starts_a_guest_that_was_powered_off(lab: Laboratory) -> None:
    """As all are when this machine has been restarted."""
    (pid,) = guests(lab)
    os.kill(pid, signal.SIGTERM)
    until(lambda: guests(lab) == [], seconds=60)
    assert lab.listed()["state"] == "stopped"
    done = lab.mrunkit(*UP, "--name", lab.name)
    assert done.stdout.startswith(f"lab {lab.name} is up: host0\n")
    assert lab.ssh("host0", "cat /etc/hosts") == "mine"


def test_an_up_that_is_ended_leaves_no_guest(lab: Laboratory, tmp_path: Path) -> None:
    """Ctrl-C while it boots."""
    del lab  # so that the base is there
    elsewhere = Laboratory(tmp_path)
    with elsewhere.start(*UP, "--name", elsewhere.name, "--hosts", "2") as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "host1: starting" in line)
        assert len(guests(elsewhere)) == 2
        running.send_signal(signal.SIGINT)
        running.stderr.read()
    assert (running.returncode, guests(elsewhere), elsewhere.files()) == (130, [], [])


def test_down_leaves_no_guest(lab: Laboratory) -> None:
    """And no file."""
    lab.mrunkit("lab", "down", "--name", lab.name)
    assert (guests(lab), lab.files()) == ([], [])
