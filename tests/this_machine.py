"""What this machine has and allows, for tests that can do without no part of it."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def _may_name_hosts() -> bool:
    """Whether the kernel lets a process have a host name of its own."""
    commands = (["unshare", "--uts", "true"], ["unshare", "--user", "--uts", "true"])
    return any(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in commands
        if shutil.which(command[0])
    )


needs_ssh = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("ssh", "ssh-keygen")),
    reason="no ssh: install openssh-client",
)
needs_host_names = pytest.mark.skipif(
    not _may_name_hosts(), reason="the kernel lets no process have a host name of its own"
)
