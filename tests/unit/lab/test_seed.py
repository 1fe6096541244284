"""The files that make a copy of a base tree a host of its own."""

from __future__ import annotations

import io
import json
import tarfile

from labs import guest_lab, lab

from mrunkit.lab import cloud_init, seed
from mrunkit.lab.addresses import GUEST_SUBNET
from mrunkit.lab.seed import HostKeys

KEYS = HostKeys(private="PRIVATE\n", public="ssh-ed25519 AAAA host0", authorized="ssh-ed25519 BBBB")
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")


def test_only_root_can_read_the_private_files_of_a_host() -> None:
    """sshd refuses them otherwise."""
    packed = seed.archive([*seed.ssh_files(KEYS), *seed.container_files(lab(), "host0")])
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        entries = {entry.name: (entry.mode, entry.uid) for entry in tar}
    assert entries == {
        "root/.ssh": (0o700, 0),
        "etc/ssh/ssh_host_ed25519_key": (0o600, 0),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, 0),
        "root/.ssh/authorized_keys": (0o600, 0),
        "etc/machine-id": (0o644, 0),
        "etc/tmpfiles.d/mrunkit-lab.conf": (0o644, 0),
        "etc/default/chrony": (0o644, 0),
    }


def test_a_guests_name_is_the_address_that_others_reach_too() -> None:
    """What a host tells others of itself must mean the same there."""
    files = {
        file.path: file.text for file in seed.guest_files(guest_lab(), "host1", MACS, GUEST_SUBNET)
    }
    assert files["etc/hosts"].splitlines() == [
        "127.0.0.1 localhost",
        "10.77.0.10 host0",
        "10.77.0.11 host1",
        "10.77.0.12 host2",
    ]
    assert f"MACAddress={MACS[1]}" in files["etc/systemd/network/20-lab.network"]
    assert "Address=10.77.0.11/24" in files["etc/systemd/network/20-lab.network"]


def test_cloud_init_is_told_the_hosts_own_key_and_whose_may_log_in() -> None:
    """So that the host is known before it first answers."""
    files = cloud_init.seed_files(guest_lab(), "host0", KEYS, macs=MACS, prefix=24)
    header, _, body = files["user-data"].partition("\n")
    config = json.loads(body)
    assert header == "#cloud-config"
    assert config["ssh_keys"] == {
        "ed25519_private": "PRIVATE\n",
        "ed25519_public": "ssh-ed25519 AAAA host0",
    }
    assert config["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 BBBB"]
    assert json.loads(files["meta-data"])["local-hostname"] == "host0"
    second = json.loads(files["network-config"])["ethernets"]["eth1"]
    assert (second["match"]["macaddress"], second["addresses"]) == (MACS[1], ["10.77.0.10/24"])
