"""The role packages, by which other roles install what they miss."""

from __future__ import annotations

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
