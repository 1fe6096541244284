"""Each role tells what it takes: all its variables, described, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook_plugins import PLAYBOOKS

ROLES = sorted((PLAYBOOKS / "roles").iterdir())


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])
def test_all_variables_of_a_role_are_described(role: Path) -> None:
    """Those with a default are in its argument_specs.yml; those without have to be given."""
    points = _read(role / "meta" / "argument_specs.yml")["argument_specs"]
    options = {
        name: option for point in points.values() for name, option in point["options"].items()
    }
    required = {name for name, option in options.items() if option.get("required")}
    assert set(options) - required == set(_read(role / "defaults" / "main.yml"))
    assert [name for name, option in options.items() if not option.get("description")] == []
