"""Hosts from an Ansible inventory, as ansible-inventory tells them.

Ansible itself reads the file, so all that it understands (ranges, groups, variables, YAML)
means the same here. It runs as a command: its start costs a second, and its licence is not
ours to import.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrunkit.errors import MrunkitError


class InventoryError(MrunkitError):
    """The inventory cannot be read, or does not say what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host, and how ssh reaches it; what is None, ~/.ssh/config decides."""

    name: str
    """In the inventory."""
    address: str
    user: str | None = None
    port: int | None = None
    key_file: str | None = None
    is_here: bool = False
    """It is this machine (ansible_connection=local): no ssh."""


def read_inventory(path: Path, *, limit: str | None = None) -> list[Host]:
    """The hosts of an inventory, or those that match Ansible's pattern `limit`."""
    if not path.exists():
        raise InventoryError(f"there is no inventory {path}")
    beside = Path(sys.executable).parent / "ansible-inventory"
    command = shutil.which(beside) or shutil.which("ansible-inventory")
    if command is None:
        raise InventoryError(
            f"no ansible-inventory beside this Python ({beside}) nor in PATH",
            remedy="install mrunkit again, or: pip install ansible-core",
        )
    words = [command, "--list", "--inventory", str(path)]
    words += ["--limit", limit] if limit is not None else []
    listed = subprocess.run(
        words,
        env={
            **os.environ,
            # Else a file that it cannot parse is a warning, and an inventory without hosts.
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise InventoryError(f"cannot read inventory {path}:\n{listed.stderr.strip()}")
    hosts = parse_listing(json.loads(listed.stdout))
    if not hosts:
        raise InventoryError(
            f"inventory {path} has no host" + (f" that matches {limit}" if limit else "")
        )
    return hosts


def parse_listing(listing: Mapping[str, Any]) -> list[Host]:
    """Parse what `ansible-inventory --list` prints: the hosts of all groups, once each."""
    variables = listing["_meta"]["hostvars"]
    groups = [group for name, group in listing.items() if name != "_meta"]
    names = dict.fromkeys(name for group in groups for name in group.get("hosts", ()))
    return [_host(name, variables.get(name, {})) for name in names]


def _host(name: str, variables: Mapping[str, Any]) -> Host:
    for key in ("ansible_host", "ansible_user", "ansible_port", "ansible_ssh_private_key_file"):
        if "{{" in str(variables.get(key, "")):
            raise InventoryError(
                f"{name}: {key} is a template, which only a playbook fills in",
                remedy="write its value into the inventory",
            )
    key_file = variables.get("ansible_ssh_private_key_file")
    port = str(variables.get("ansible_port", ""))
    if port and not port.isdecimal():
        raise InventoryError(f"{name}: ansible_port {port} is no number")
    return Host(
        name=name,
        address=str(variables.get("ansible_host", name)),
        user=variables.get("ansible_user"),
        port=int(port) if port else None,
        key_file=None if key_file is None else str(Path(key_file).expanduser()),
        is_here=variables.get("ansible_connection") == "local",
    )
