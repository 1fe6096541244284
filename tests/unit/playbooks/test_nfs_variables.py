"""How the NFS server is set for the size of the lab."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

DEFAULTS = Path(__file__).parents[3] / "playbooks/roles/nfs/defaults/main.yml"


@pytest.mark.parametrize(
    ("hosts", "expected"), [(3, 8), (8, 8), (9, 16), (100, 128), (128, 128), (500, 128)]
)
def test_threads_grow_with_the_lab_in_steps(hosts: int, expected: int) -> None:
    """A host that is added seldom restarts the server, and no lab takes all its memory."""
    expression = yaml.safe_load(DEFAULTS.read_text())["nfs_threads"]
    addresses = {f"host{number}": f"10.0.0.{number}" for number in range(hosts)}
    rendered = jinja2.Environment().from_string(expression).render(lab_addresses=addresses)
    assert rendered == str(expected)
