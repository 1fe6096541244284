"""Where Docker comes from, and what is advised where it would be too new, by distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLES = Path(__file__).parents[3] / "playbooks/roles"


def variables(path: str) -> dict[str, Any]:
    """What a file of a role says."""
    loaded: dict[str, Any] = yaml.safe_load((ROLES / path).read_text())
    return loaded


def rendered(expression: str, **known: Any) -> str:
    """An expression that needs nothing of Ansible's own."""
    return jinja2.Environment().from_string(expression).render(**known).strip()


@pytest.mark.parametrize(
    ("version", "most", "expected"),
    [
        ("12.9", 25, "distribution"),
        ("22.04", 25, "repository"),
        ("22.04", "", "distribution"),
        ("24.04", 25, "distribution"),
    ],
)
def test_the_source_has_a_docker_that_is_allowed_and_sound(
    version: str, most: object, expected: str
) -> None:
    """Ubuntu 22.04 itself has 20.10.12 or one that is too new."""
    source = variables("docker/vars/Debian.yml")["docker_source_default"]
    facts = {"distribution_version": version}
    assert rendered(source, ansible_facts=facts, docker_max_major=most) == expected


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("docker/vars/Debian.yml", "12.9", "with docker_source=repository; or with the maintained"),
        ("docker/vars/Debian.yml", "24.04", "with docker_source=distribution; or with the"),
        ("docker/vars/Debian-13.yml", "13.1", "with the maintained fork of Mesos"),
        ("docker/vars/RedHat.yml", "9.6", "with docker_source=repository; or with the maintained"),
    ],
)
def test_only_a_source_with_an_older_docker_is_advised(
    path: str, version: str, expected: str
) -> None:
    """Debian 13 has none."""
    facts = {"distribution_version": version}
    source = rendered(variables(path)["docker_old_source"], ansible_facts=facts)
    remedy = variables("docker/vars/main.yml")["docker_max_remedy"]
    assert rendered(remedy, docker_old_source=source)[: len(expected)] == expected


def test_validate_and_docker_have_the_same_maximum() -> None:
    """What validate lets pass, the role does not refuse."""
    own = variables("docker/defaults/main.yml")["docker_max_major"].strip("{ }")
    seen = variables("validate/vars/main.yml")["validate_settings"]["docker_max_major"]
    assert own in seen
