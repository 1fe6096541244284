"""What roles take for given on systems of which there are no hosts to test them on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_here import needs_ansible, play_here
from playbook_plugins import PLAYBOOKS

pytestmark = needs_ansible

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{roles}/base/vars/RedHat.yml, {roles}/base/vars/main.yml]
  vars: {{base_time_sync: true}}
  tasks:
    - ansible.builtin.include_role: {{name: mpich, tasks_from: preflight.yml, public: true}}
    - ansible.builtin.debug: {{msg: "{{{{ mpich_may_hang }}}}"}}
      vars: {{mpich_version_here: "{{{{ item }}}}"}}
      loop: {versions}
      register: hangs
    - ansible.builtin.copy:
        content: "{{{{ {asked} | to_json }}}}"
        dest: {directory}/told
"""


def told(
    asked: str,
    directory: Path,
    *,
    family: str = "RedHat",
    major: str = "9",
    versions: Sequence[str] = (),
) -> Any:
    """What an expression is on a system of this family and major version."""
    play = PLAY.format(
        roles=PLAYBOOKS / "roles", versions=list(versions), asked=asked, directory=directory
    )
    facts = {"os_family": family, "distribution_major_version": major}
    played = play_here(play, {"ansible_facts": facts}, directory=directory)
    assert played.returncode == 0, played.stdout + played.stderr
    return json.loads((directory / "told").read_text())


@pytest.mark.parametrize(
    ("major", "names"),
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
def test_packages_have_the_names_of_the_system(major: str, names: Any, tmp_path: Path) -> None:
    """CentOS 7 has MPICH under the name of its version, and may have no Python 3 for doctor."""
    assert names == told("[base_packages, mpich_packages, mpich_home]", tmp_path, major=major)


def test_versions_of_mpich_that_may_hang_are_known(tmp_path: Path) -> None:
    """From 4.0 on, until 4.2 mended it; none is known before there is one."""
    hanging = {"": False, "3.4.3": False, "4.0": True, "4.0.2": True, "4.1.2": True, "4.2.0": False}
    asked = "hangs.results | map(attribute='msg')"
    said = told(asked, tmp_path, family="Debian", major="12", versions=list(hanging))
    assert hanging == dict(zip(hanging, said, strict=True))


def test_no_mpich_without_ucx_is_said_to_hang(tmp_path: Path) -> None:
    """EL 9 has 4.1.1, over TCP."""
    assert told("hangs.results | map(attribute='msg')", tmp_path, versions=["4.1.1"]) == [False]


def test_a_compiler_is_given_no_flag_that_it_may_refuse() -> None:
    """gcc passes over a -Wno- that it does not know, and ends with a -Wno-error= of such."""
    defaults = yaml.safe_load((PLAYBOOKS / "roles/mpich/defaults/main.yml").read_text())
    flags = defaults["mpich_old_cflags"].split()
    assert not [flag for flag in flags if flag.startswith("-Wno-error=")]
