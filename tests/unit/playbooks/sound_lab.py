"""A lab without fault, as the playbook registers its hosts, and what the filter says of one."""

from __future__ import annotations

from typing import Any

from playbook_plugins import load

plugin = load("filter_plugins/lab_problems.py")

NAMES = ("host0", "host1", "host2")
SOUND_SETTINGS = {
    "ansible": "2.19.14",
    "groups": {"all": list(NAMES), "masters": ["host0"], "agents": ["host1", "host2"]},
    "known_addresses": {},
    "user": "mpi",
    "interface": "",
    "share": "/share",
    "has_nfs": True,
    "subnet": "10.0.9.0/24",
    "is_encrypted": True,
    "docker_source": "",
    "docker_version": "",
    "docker_max_major": "25",
    "docker_repository_url": "",
    "docker_is_upgraded": False,
    "is_mesos_placed": True,
    "needs_cgroups_v1": True,
    "clock_tolerance": 10.0,
    "free_mib": {"/var/lib": 2048, "/usr": 512},
    "skip": [],
}
FEATURES = ("esp4", "nfsd", "nfsv4", "vxlan", "xt_bpf", "xt_u32")


def sound_probe(index: int) -> dict[str, Any]:
    """What lab_probe tells of a host without fault."""
    return {
        "clock": 1000.0 + 0.4 * index,
        "clock_asked": 1000.0,
        "machine_id": f"{index:032x}",
        "hostname": f"host{index}",
        "system": {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian 12"},
        "kernel": {
            "release": "6.1.0-1-amd64",
            "features": dict.fromkeys(FEATURES, "yes"),
            "is_replaced": False,
        },
        "networks": [{"interface": "eth0", "network": "192.0.2.0/24"}],
        "hidden_by_share": "",
        "taken": [],
        "docker": "",
        "has_cgroups_v1": True,
        "account": {"uid": 1000, "gid": 1000, "home": "/home/mpi"},
        "space": {
            "/var/lib": {"device": 1, "free": 10 << 30},
            "/usr": {"device": 1, "free": 10 << 30},
        },
    }


def sound_lab() -> dict[str, dict[str, Any]]:
    """Three hosts without fault, as the play registers them."""
    return {
        name: {
            "reached": {"rc": 0, "stdout": "user mpi\r\npython /usr/bin/python3 Python 3.11.2\r\n"},
            "tried": {"skipped": True},
            "probed": {"probe": sound_probe(index), "answered": 1002.0},
            "address": f"192.0.2.{10 + index}",
        }
        for index, name in enumerate(NAMES)
    }


def problems(seen: dict[str, Any], **settings: Any) -> list[tuple[str, str | None, str]]:
    """Check, host and problem of each; the remedies are prose."""
    found = plugin.lab_problems(seen, {**SOUND_SETTINGS, **settings})
    assert all(item["remedy"] for item in found)
    return [(item["check"], item["host"], item["problem"]) for item in found]


def unreachable(message: str) -> dict[str, Any]:
    """What is registered of a host that does not answer."""
    return {
        "reached": {"unreachable": True, "msg": message},
        "tried": {"skipped": True},
        "probed": {"skipped": True},
        "address": "",
    }


def refused(**result: Any) -> dict[str, Any]:
    """What is registered of a host without root's rights."""
    seen = unreachable("")
    tried = {"rc": 0, "stdout": "python /usr/bin/python3 Python 3.11.2"}
    return {**seen, "reached": {"rc": 1, **result}, "tried": tried}
