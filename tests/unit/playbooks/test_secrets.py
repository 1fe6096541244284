"""Where roles keep the lab's secrets, on the machine that Ansible runs on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playbook_plugins import PLAYBOOKS

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
pytestmark = pytest.mark.skipif(not ANSIBLE_PLAYBOOK.exists(), reason="no ansible-playbook here")

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
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    told = tmp_path / "told"
    variables = {"ansible_python_interpreter": sys.executable, "told": str(told)}
    subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", inventory, play, "--extra-vars", json.dumps(variables)],
        cwd=PLAYBOOKS,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": "ansible.cfg",
            "ANSIBLE_ROLES_PATH": "roles",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        },
        stdin=subprocess.DEVNULL,
        check=True,
    )
    directory = tmp_path / kept
    secret = (directory / "mesos-secret").read_text().strip()
    by_role = json.loads(told.read_text())
    assert Path(by_role.pop("key")).resolve() == directory / "id_mrunkit_lab"
    assert by_role == dict.fromkeys(("mesos", "frameworks", "drain"), secret)
