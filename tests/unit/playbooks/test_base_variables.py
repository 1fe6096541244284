"""What the role base does with a host unless it is told otherwise."""

from __future__ import annotations

import jinja2
import pytest
import yaml
from playbook_plugins import PLAYBOOKS

DEFAULTS = PLAYBOOKS / "roles/base/defaults/main.yml"


@pytest.mark.parametrize(
    ("is_container", "time_services", "expected"),
    [(False, [], "True"), (False, ["ntpsec.service"], "False"), (True, [], "False")],
)
def test_a_clock_that_somebody_keeps_is_left_to_him(
    is_container: bool, time_services: list[str], expected: str
) -> None:
    """Debian's chrony would replace what the admin has chosen, with its settings."""
    expression = yaml.safe_load(DEFAULTS.read_text())["base_time_sync"]
    probe = {"is_container": is_container, "time_services": time_services}
    rendered = jinja2.Environment().from_string(expression).render(validate_probed={"probe": probe})
    assert rendered == expected
