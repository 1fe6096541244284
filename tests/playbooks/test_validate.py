"""Wrong inventories and wrong hosts give their messages, and no host is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from container_hosts import CONTAINER_SKIPS, USER, LabHosts, Played, inventory_text

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ETC = ("sh", "-c", "cd / && find etc root/.ssh -type f -exec sha256sum {} + | sort -k 2")


def refused(lab_hosts: LabHosts, inventory: Path | None = None, **variables: object) -> Played:
    """Play all of site.yml, and see that it ends at validate with every host as it was."""
    before = {host: lab_hosts.on(host, *ETC) for host in lab_hosts.containers}
    played = lab_hosts.play("site.yml", inventory=inventory, check=False, **variables)
    assert played.status != 0
    assert "problems found before" in played.output or "problem found before" in played.output
    assert set(played.changed.values()) == {0}
    assert {host: lab_hosts.on(host, *ETC) for host in lab_hosts.containers} == before
    return played


@contextmanager
def without(lab_hosts: LabHosts, host: str, *paths: str) -> Iterator[None]:
    """Take files of a host away for a while."""
    for path in paths:
        lab_hosts.on(host, "mv", path, f"{path}.away")
    try:
        yield
    finally:
        for path in paths:
            lab_hosts.on(host, "mv", f"{path}.away", path)


@pytest.fixture
def inventory(lab_hosts: LabHosts, tmp_path: Path) -> Path:
    """A copy of the inventory to spoil."""
    return Path(shutil.copy(lab_hosts.inventory, tmp_path / "inventory.ini"))


def test_all_mistakes_of_an_inventory_are_told_in_one_run(
    lab_hosts: LabHosts, inventory: Path
) -> None:
    """A name that does not resolve, one host twice, two storage hosts, a subnet in use."""
    addresses = lab_hosts.addresses
    text = inventory_text(lab_hosts).replace(
        "[all:vars]",
        f"twin ansible_host={addresses['host1']}\nhots9.invalid\n\n"
        "[storage]\nhost0\nhost1\n\n[managers]\nhost0\nhost1\n\n[all:vars]",
    )
    inventory.write_text(text)
    subnet = ".".join(addresses["host0"].split(".")[:2]) + ".0.0/16"
    told = refused(lab_hosts, inventory, lab_network_subnet=subnet).output
    for expected in (
        "inventory: group [storage] has 2 hosts: host0, host1 [groups]",
        "inventory: group [managers] has 2 hosts: host0, host1 [groups]",
        "hots9.invalid: unreachable: ssh: Could not resolve hostname hots9.invalid",
        f"host1: has the address {addresses['host1']}, and so has twin [duplicate]",
        f"which lab_network_subnet {subnet} overlaps [subnet]",
    ):
        assert expected in told
    assert told.count("  Remedy: ") >= 5


def test_what_others_have_where_the_lab_would_put_its_own(lab_hosts: LabHosts) -> None:
    """An agent of Mesos that was set up by hand, and an MPICH that somebody built."""
    unit, prefix = "/etc/systemd/system/mesos-agent.service", "/opt/mpich"
    lab_hosts.on("host1", "sh", "-c", f"echo '[Unit]' > {unit}; ln -s /srv/mpich {prefix}")
    try:
        told = refused(lab_hosts).output
    finally:
        lab_hosts.on("host1", "rm", unit, prefix)
    for path in (unit, prefix):
        assert f"host1: has a {path} that is not mrunkit's, which would be lost [taken]" in told


def test_missing_groups_are_told_first(lab_hosts: LabHosts, inventory: Path) -> None:
    """An inventory of other names than the roles look for."""
    text = inventory_text(lab_hosts).replace("[masters]", "[master]").replace("[agents]", "[slave]")
    inventory.write_text(text)
    told = refused(lab_hosts, inventory).output
    for group in ("masters", "agents"):
        assert f"inventory: group [{group}] is missing or has no host (other groups" in told


def test_hosts_that_lack_what_ansible_needs_are_told(lab_hosts: LabHosts, inventory: Path) -> None:
    """No sudo on one, no Python on another, both told in one run."""
    inventory.write_text(inventory_text(lab_hosts, USER))
    with (
        without(lab_hosts, "host1", "/usr/bin/sudo"),
        without(lab_hosts, "host2", "/usr/bin/python3"),
    ):
        pythons = lab_hosts.on("host2", "sh", "-c", "ls /usr/bin/python3.*").split()
        with without(lab_hosts, "host2", *pythons):
            told = refused(lab_hosts, inventory).output
    assert "host1: no sudo [sudo]" in told
    assert "host2: no python3 [python]" in told


def test_a_copied_disk_is_told(lab_hosts: LabHosts) -> None:
    """Two hosts with one machine-id, which swarm and DHCP would take for one."""
    own = lab_hosts.on("host2", "cat", "/etc/machine-id")
    copied = lab_hosts.on("host1", "cat", "/etc/machine-id")
    write = ("sh", "-c", 'echo "$0" > /etc/machine-id')
    lab_hosts.on("host2", *write, copied.strip())
    try:
        told = refused(lab_hosts).output
    finally:
        lab_hosts.on("host2", *write, own.strip())
    assert f"host1: has the machine-id {copied.strip()}, and so has host2" in told


def test_settings_that_the_hosts_cannot_meet_are_told(lab_hosts: LabHosts) -> None:
    """What is not there: an interface, a user, so much disk, addresses, a place of Mesos."""
    told = refused(
        lab_hosts,
        lab_interface="ib7",
        lab_user="nobody-of-this-name",
        lab_network_subnet="10.0.9.0/30",
        validate_free_mib={"/usr": 1 << 40},
        validate_skip=["nfs"],
    ).output
    everyone = "host0, host1, host2"
    assert f"{everyone}: no IPv4 address of its interface ib7 [names]" in told
    assert f"{everyone}: has no user nobody-of-this-name [user]" in told
    assert f"{1 << 40} MiB wanted [disk]" in told
    small = "lab_network_subnet 10.0.9.0/30 has 4 addresses, 3 hosts want 15"
    assert f"inventory: {small} [subnet]" in told
    assert "inventory: does not say where Mesos comes from" in told


def test_what_the_share_would_hide_is_told(lab_hosts: LabHosts) -> None:
    """Files of a host that would mount it are out of reach from then on."""
    lab_hosts.on("host1", "sh", "-c", "mkdir -p /own && touch /own/work")
    skips = [skip for skip in CONTAINER_SKIPS if skip != "share"]
    told = refused(lab_hosts, lab_share="/own", validate_skip=skips).output
    assert "host1: has files of its own at /own, which the share would hide [share]" in told


def test_hosts_that_a_limit_leaves_out_are_known_from_long_ago(lab_hosts: LabHosts) -> None:
    """But one of which no run has seen an address has to be asked."""
    lab_hosts.play("validate.yml")
    facts = lab_hosts.directory / ".mrunkit/facts"
    for file in facts.iterdir():
        os.utime(file, (0, 0))
    lab_hosts.play("validate.yml", "--limit", "host1")
    (of_host2,) = facts.glob("*host2")
    of_host2.unlink()
    told = lab_hosts.play("validate.yml", "--limit", "host1", check=False).output
    assert "host2: is left out of this run, and no earlier one noted its address" in told


def test_a_retired_system_is_warned_of_and_passes(lab_hosts: LabHosts) -> None:
    """Once for all hosts that have it, and for no other."""
    write = "printf 'ID=centos\\nVERSION_ID=7\\n' > /etc/os-release"
    skip = [*CONTAINER_SKIPS, "python"]
    with (
        without(lab_hosts, "host1", "/etc/os-release"),
        without(lab_hosts, "host2", "/etc/os-release"),
    ):
        for host in ("host1", "host2"):
            lab_hosts.on(host, "sh", "-c", write)
        told = lab_hosts.play("validate.yml", validate_skip=skip).output
    assert told.count("WARNING: host1, host2: CentOS 7 has had no updates") == 1
    assert "WARNING: " not in lab_hosts.play("validate.yml").output


def test_a_sound_lab_passes_and_nothing_changes(lab_hosts: LabHosts) -> None:
    """Nor with --check."""
    assert set(lab_hosts.play("validate.yml").changed.values()) == {0}
    assert set(lab_hosts.play("validate.yml", "--check").changed.values()) == {0}
