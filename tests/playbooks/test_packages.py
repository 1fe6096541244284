"""The role packages, by which other roles install what they miss."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from container_hosts import PLAYBOOKS, LabHosts

ROLE = PLAYBOOKS / "roles/packages"

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def test_a_host_that_knows_of_no_packages_yet_gets_them(start_hosts, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """As one that was just made: its directory of lists is as new as lists could be."""
    hosts: LabHosts = start_hosts(2, is_ready=False)
    hosts.on("host1", "sh", "-c", "rm -rf /var/lib/apt/lists/* && touch /var/lib/apt/lists")
    play = tmp_path / "packages.yml"
    play.write_text(f"- hosts: host1\n  gather_facts: true\n  roles: [{ROLE}]\n")
    played = hosts.play(play, packages_names=["less"])
    assert played.changed["host1"] == 1
    assert hosts.seen("host1").package("less").is_installed
    assert hosts.play(play, packages_names=["less"]).changed["host1"] == 0


LOCKED = """
import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    time.sleep(75)
"""
"""As a host does to itself after its first boot; Ansible alone waits 60 s at most."""


def test_a_host_that_is_installing_something_is_waited_for(start_hosts, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """For as long as apt is at work by itself."""
    hosts: LabHosts = start_hosts(2, is_ready=False)
    play = tmp_path / "packages.yml"
    play.write_text(f"- hosts: host1\n  gather_facts: true\n  roles: [{ROLE}]\n")
    container = hosts.containers["host1"]
    with subprocess.Popen(
        ["docker", "exec", container, "python3", "-c", LOCKED], stdout=subprocess.PIPE
    ) as locked:
        assert locked.stdout is not None
        assert locked.stdout.readline() == b"locked\n"
        hosts.play(play, packages_names=["less"])
        assert locked.wait() == 0
    assert hosts.seen("host1").package("less").is_installed
