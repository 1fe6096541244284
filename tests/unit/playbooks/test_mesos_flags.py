"""The flags of Mesos' daemons, as their units have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "playbooks/roles/mesos/templates"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cpus:8;mem:1000", "cpus:8;mem:1000"),
        (5050, "5050"),
        ([{"name": "cpus", "scalar": {"value": 8}}], [{"name": "cpus", "scalar": {"value": 8}}]),
        ("50%$HOME", "50%%$$HOME"),
    ],
    ids=["text", "a number", "a list", "what systemd would expand"],
)
def test_a_flag_is_what_the_inventory_says(value: object, expected: Any) -> None:
    """A list, as an inventory's JSON comes, is JSON again, in a unit's quotes."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False)
    environment.filters["to_json"] = json.dumps
    macro: Any = environment.get_template("flags.j2").module
    line = macro.exec_start("/sbin/mesos-agent", {"resources": value, "empty": ""})
    flag = line.partition(chr(92) + "\n")[2].strip()
    assert flag.startswith('"--resources=')
    text = flag.removeprefix('"--resources=').removesuffix('"').replace(chr(92) + '"', '"')
    assert (json.loads(text) if isinstance(expected, list) else text) == expected
