"""What is written for Ansible and ssh is what they understand: asked of the real ones."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from labs import guest_lab, lab
from this_machine import needs_ssh

from mrunkit.inventory import read_inventory
from mrunkit.lab.inventory import inventory_text, known_hosts_text, ssh_config_text
from mrunkit.lab.record import LabRecord

pytestmark = needs_ssh

AWKWARD = ["plain", "with blank", "100%"]
"""Names of directories in which a lab's files may be."""


def write(found: LabRecord, directory: Path) -> Path:
    """Write a lab's inventory."""
    directory.mkdir()
    inventory = directory / "inventory.ini"
    inventory.write_text(
        inventory_text(found, key=directory / "key", known_hosts=directory / "known_hosts")
    )
    return inventory


def listed(inventory: Path) -> dict[str, Any]:
    """What Ansible makes of an inventory."""
    command = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [command, "--list", "--inventory", inventory], capture_output=True, text=True, check=True
    )
    listing: dict[str, Any] = json.loads(done.stdout)
    return listing


@pytest.mark.parametrize("name", AWKWARD)
def test_ansible_hands_ssh_the_files_of_the_lab(tmp_path: Path, name: str) -> None:
    """Whatever the directory is called, ssh looks into the lab's known_hosts."""
    inventory = write(lab(), tmp_path / name)
    variables = listed(inventory)["_meta"]["hostvars"]["host1"]
    assert variables["ansible_ssh_private_key_file"] == str(tmp_path / name / "key")
    words = shlex.split(variables["ansible_ssh_common_args"])
    told = subprocess.run(
        ["ssh", "-G", *words, "host1"], capture_output=True, text=True, check=True
    )
    assert f"userknownhostsfile {tmp_path / name / 'known_hosts'}" in told.stdout.splitlines()
    assert "stricthostkeychecking ask" in told.stdout.splitlines()


@pytest.mark.parametrize("name", AWKWARD)
def test_ssh_takes_the_configuration_of_the_lab(tmp_path: Path, name: str) -> None:
    """`ssh -F FILE HOST` goes to the host's address and port, with the lab's key."""
    directory = tmp_path / name
    directory.mkdir()
    config = directory / "ssh_config"
    config.write_text(
        ssh_config_text(guest_lab(), key=directory / "key", known_hosts=directory / "known_hosts")
    )
    told = subprocess.run(
        ["ssh", "-G", "-F", config, "host2"], capture_output=True, text=True, check=True
    )
    expected = {
        "hostname 127.0.0.1",
        "port 40002",
        "user root",
        f"identityfile {directory}/key".replace("%", "%%"),
        f"userknownhostsfile {directory}/known_hosts",
        "stricthostkeychecking true",
    }
    assert expected - set(told.stdout.splitlines()) == set()


def test_the_first_host_is_master_and_the_others_are_agents(tmp_path: Path) -> None:
    """The groups that the playbooks know."""
    listing = listed(write(lab(3), tmp_path / "lab"))
    assert listing["masters"]["hosts"] == ["host0"]
    assert listing["agents"]["hosts"] == ["host1", "host2"]


def test_a_single_host_is_both(tmp_path: Path) -> None:
    """With --hosts 1 there is a lab too."""
    listing = listed(write(lab(1), tmp_path / "lab"))
    assert (listing["masters"]["hosts"], listing["agents"]["hosts"]) == (["host0"], ["host0"])


def test_mrunkit_reads_the_inventory_of_a_lab(tmp_path: Path) -> None:
    """Address, port and user of each host."""
    hosts = read_inventory(write(guest_lab(2), tmp_path / "lab"))
    assert sorted((host.name, host.address, host.port, host.user) for host in hosts) == [
        ("host0", "127.0.0.1", 40000, "root"),
        ("host1", "127.0.0.1", 40001, "root"),
    ]


def test_guests_say_by_which_card_they_reach_each_other(tmp_path: Path) -> None:
    """The first card of all guests has one and the same address."""
    variables = listed(write(guest_lab(2), tmp_path / "lab"))["_meta"]["hostvars"]["host1"]
    assert (variables["lab_address"], variables["lab_interface"]) == ("10.77.0.11", "eth1")


def test_known_hosts_names_a_port_that_is_not_22() -> None:
    """As ssh looks it up: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT."""
    keys = {"host0": "ssh-ed25519 AAAA host0"}
    assert known_hosts_text(lab(1), keys) == "10.88.0.10 ssh-ed25519 AAAA host0\n"
    assert known_hosts_text(guest_lab(1), keys) == "[127.0.0.1]:40000 ssh-ed25519 AAAA host0\n"
