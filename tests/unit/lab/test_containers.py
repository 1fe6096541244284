"""What Docker is asked for a host."""

from __future__ import annotations

import re
from typing import Any

import pytest
from labs import lab

from mrunkit.lab.docker_hosts import LABEL, container_options


def options(*, is_cgroup2: bool = False, has_modules: bool = False) -> dict[str, Any]:
    """The request for host1 of three."""
    found = lab()
    return container_options(found, found.hosts[1], is_cgroup2=is_cgroup2, has_modules=has_modules)


def test_a_host_knows_the_others_by_name() -> None:
    """Its own name Docker writes itself."""
    assert options()["HostConfig"]["ExtraHosts"] == ["host0:10.88.0.10", "host2:10.88.0.12"]


def test_all_of_a_host_carries_the_labs_identity() -> None:
    """By which it is removed, and nothing else."""
    assert options()["Labels"][LABEL] == lab().identity


def test_with_control_groups_version_2_a_host_has_a_tree_of_its_own() -> None:
    """Not this machine's, in which each systemd would take itself for the only one."""
    made = options(is_cgroup2=True)
    assert made["HostConfig"]["CgroupnsMode"] == "private"
    assert [bind for bind in made["HostConfig"]["Binds"] if "cgroup" in bind] == []


@pytest.mark.parametrize("is_cgroup2", [False, True])
def test_a_host_may_write_what_its_network_is_set_with(is_cgroup2: bool) -> None:
    """Docker 29, in the host, makes no overlay otherwise; the rest of /proc/sys is not its own."""
    (*_, init) = options(is_cgroup2=is_cgroup2)["Cmd"]
    assert re.findall(r"/proc/sys\S*", init) == ["/proc/sys/net"] * 3
    assert init.endswith(" && exec /sbin/init")


def test_a_host_can_load_modules_where_this_machine_has_them() -> None:
    """For NFS and encrypted overlays on an ordinary distribution."""
    assert "/lib/modules:/lib/modules:ro" in options(has_modules=True)["HostConfig"]["Binds"]
    assert "/lib/modules:/lib/modules:ro" not in options()["HostConfig"]["Binds"]


def test_hosts_share_a_volume() -> None:
    """What one host writes into /share, all others read, without NFS."""
    assert "mrunkit-lab-trial-share:/share" in options()["HostConfig"]["Binds"]
