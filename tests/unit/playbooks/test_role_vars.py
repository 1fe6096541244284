"""What roles install on systems of which there are no hosts to test them on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playbook_plugins import PLAYBOOKS

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{roles}/base/vars/RedHat.yml, {roles}/base/vars/main.yml]
  vars: {{base_time_sync: true}}
  tasks:
    - ansible.builtin.include_role: {{name: mpich, tasks_from: preflight.yml, public: true}}
    - ansible.builtin.copy:
        content: "{{{{ [base_packages, mpich_packages, mpich_home] | to_json }}}}"
        dest: {directory}/told
"""


@pytest.mark.skipif(not ANSIBLE_PLAYBOOK.exists(), reason="no ansible-playbook beside Python")
@pytest.mark.parametrize(
    ("version", "told"),
    [
        (
            "7",
            [
                ["openssh-clients", "python3", "chrony"],
                ["mpich-3.2", "mpich-3.2-devel"],
                "/usr/lib64/mpich-3.2",
            ],
        ),
        ("9", [["openssh-clients", "chrony"], ["mpich", "mpich-devel"], "/usr/lib64/mpich"]),
    ],
)
def test_packages_have_the_names_of_the_system(version: str, told: Any, tmp_path: Path) -> None:
    """CentOS 7 has MPICH under the name of its version, and may have no Python 3 for doctor."""
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY.format(roles=PLAYBOOKS / "roles", directory=tmp_path))
    variables = {
        "ansible_facts": {"os_family": "RedHat", "distribution_major_version": version},
        "ansible_python_interpreter": sys.executable,
    }
    subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", "localhost,", playbook, "--extra-vars", json.dumps(variables)],
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
    assert json.loads((tmp_path / "told").read_text()) == told
