"""`mrunkit doctor` as people call it, for a lab whose hosts do not answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two hosts at a port where nobody listens."""
    path = tmp_path / "inventory.ini"
    path.write_text(
        "[masters]\nhost0 ansible_host=127.0.0.1\n"
        "[agents]\nhost1 ansible_host=127.0.0.2\n"
        "[all:vars]\nansible_port=1\nlab_image=\n"
    )
    return path


def doctor(inventory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = [sys.executable, "-P", "-m", "mrunkit", "doctor", "--skip", "mpi", *words]
    return subprocess.run(
        [*command, str(inventory)], capture_output=True, text=True, check=False, timeout=120
    )


def test_hosts_that_do_not_answer_are_a_fault(inventory: Path) -> None:
    """A line per check, with the hosts' names, and an exit status for scripts."""
    done = doctor(inventory)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("fail  login")
    assert {"host0", "host1"} <= {word.rstrip(":") for line in lines for word in line.split()}
    assert [line for line in lines if line.startswith("skip  mpi")]


def test_json_tells_the_same(inventory: Path) -> None:
    """In one document, when all is seen."""
    done = doctor(inventory, "--json")
    assert done.returncode == 1, done.stderr
    verdicts = json.loads(done.stdout)
    assert {verdict["check"] for verdict in verdicts} >= {"login", "ssh", "agents", "mpi"}
