"""Ansible's programs of this environment, run as bootstrap runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from playbook_plugins import PLAYBOOKS

ANSIBLE = Path(sys.executable).with_name("ansible")
needs_ansible = pytest.mark.skipif(not ANSIBLE.exists(), reason="no Ansible here")


def ansible(program: str, *words: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of Ansible's to its end; what it needs besides is kept in the directory."""
    return subprocess.run(
        [ANSIBLE.with_name(program), *words],
        cwd=PLAYBOOKS,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": "ansible.cfg",
            "ANSIBLE_ROLES_PATH": "roles",
            "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def play_here(
    text: str,
    variables: Mapping[str, object],
    *options: str,
    directory: Path,
    inventory: Path | str = "localhost,",
) -> subprocess.CompletedProcess[str]:
    """Play a playbook with this text on this machine, and with this Python."""
    playbook = directory / "play.yml"
    playbook.write_text(text)
    extra_vars = {"ansible_python_interpreter": sys.executable, **variables}
    words = (*options, "-i", inventory, playbook, "--extra-vars", json.dumps(extra_vars))
    return ansible("ansible-playbook", *words, directory=directory)
