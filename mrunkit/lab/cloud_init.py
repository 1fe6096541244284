"""What cloud-init is told of a guest of a cloud image. Pure.

Source: cloudinit.readthedocs.io, data source NoCloud. JSON is YAML.
"""

from __future__ import annotations

import json

from mrunkit.lab.record import LabRecord
from mrunkit.lab.seed import HostKeys, hosts_text

USER = "lab"
"""May become root; cloud images let nobody log in as root."""


def seed_files(
    lab: LabRecord, host: str, keys: HostKeys, *, macs: tuple[str, str], prefix: int
) -> dict[str, str]:
    """The three files of the seed, by name."""
    address = next(other.address for other in lab.hosts if other.name == host)
    uplink, second = macs
    user = {
        "name": USER,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": True,
        "ssh_authorized_keys": [keys.authorized],
    }
    config = {
        "hostname": host,
        "users": [user],
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": keys.private, "ed25519_public": keys.public},
        "manage_etc_hosts": False,
        "locale": False,  # generating one takes a slow guest minutes
        "write_files": [{"path": "/etc/hosts", "content": hosts_text(lab)}],
    }
    network = {
        "version": 2,
        "ethernets": {
            "eth0": {"match": {"macaddress": uplink}, "set-name": "eth0", "dhcp4": True},
            "eth1": {
                "match": {"macaddress": second},
                "set-name": "eth1",
                "addresses": [f"{address}/{prefix}"],
            },
        },
    }
    identity = {"instance-id": f"{lab.identity}-{host}", "local-hostname": host}
    return {
        "user-data": "#cloud-config\n" + json.dumps(config, indent=1) + "\n",
        "meta-data": json.dumps(identity) + "\n",
        "network-config": json.dumps(network, indent=1) + "\n",
    }
