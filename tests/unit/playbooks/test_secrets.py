"""Where roles keep the lab's secrets, on the machine that Ansible runs on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_here import needs_ansible, play_here

pytestmark = needs_ansible

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  # Nothing of them is done, and their variables are there.
  roles: [{role: ssh, when: false}, {role: mesos, when: false},
          {role: frameworks, when: false}, {role: drain, when: false}]
  tasks:
    - ansible.builtin.copy:
        content: >-
          {{ {'key': ssh_key_file, 'mesos': mesos_secret, 'frameworks': frameworks_secret,
              'drain': drain_secret} | to_json }}
        dest: "{{ told }}"
"""


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("lab_state_dir=", "lab/.mrunkit"),
        ("lab_state_dir={{ inventory_dir }}/../kept", "kept"),
    ],
    ids=["empty", "said"],
)
def test_all_roles_have_the_same_secret_from_one_directory(
    said: str, kept: str, tmp_path: Path
) -> None:
    """Beside the inventory, if it does not say where."""
    inventory = tmp_path / "lab" / "inventory.ini"
    inventory.parent.mkdir()
    inventory.write_text(f"[masters]\nlocalhost\n[all:vars]\n{said}\n")
    told = tmp_path / "told"
    played = play_here(PLAY, {"told": str(told)}, directory=tmp_path, inventory=inventory)
    assert played.returncode == 0, played.stdout + played.stderr
    directory = tmp_path / kept
    secret = (directory / "mesos-secret").read_text().strip()
    by_role = json.loads(told.read_text())
    assert Path(by_role.pop("key")).resolve() == directory / "id_mrunkit_lab"
    assert by_role == dict.fromkeys(("mesos", "frameworks", "drain"), secret)
