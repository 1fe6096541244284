"""What base allows in open files, beside what a host allows itself."""

from __future__ import annotations

import jinja2
import pytest
from playbook_plugins import PLAYBOOKS


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, ["* soft", "root soft", "* hard", "root hard"]),
        (
            {"* soft": 1024, "root soft": 65536, "* hard": 4096, "root hard": 4096},
            ["* soft", "* hard", "root hard"],
        ),
        ({"* soft": 1048576, "* hard": -1, "root soft": -1, "root hard": -1}, []),
    ],
)
def test_no_limit_is_lowered(limits: dict[str, int], expected: list[str]) -> None:
    """A host that allows more, or any number, is left alone."""
    text = (PLAYBOOKS / "roles/base/templates/limits.conf.j2").read_text()
    environment = jinja2.Environment(trim_blocks=True)
    environment.filters["bool"] = bool
    written = environment.from_string(text).render(
        validate_probed={"probe": {"nofile_limits": limits}},
        base_nofile=65536,
        base_raises_hard_limit=True,
    )
    lines = [line for line in written.splitlines() if not line.startswith("#")]
    assert lines == [f"{limit} nofile 65536" for limit in expected]
