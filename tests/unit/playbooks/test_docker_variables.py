"""Where Docker comes from, and what is advised where it would be too new, by distribution."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLES = Path(__file__).parents[3] / "playbooks/roles"


def variables(path: str) -> Any:
    """What a file of a role says."""
    return yaml.safe_load((ROLES / path).read_text())


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


@pytest.mark.parametrize(
    ("path", "major", "most", "expected"),
    [
        ("docker/vars/RedHat.yml", "8", "", "rhel"),
        ("docker/vars/RedHat.yml", "8", 25, "centos"),
        ("docker/vars/RedHat.yml", "9", "", "centos"),
    ],
)
def test_docker_without_a_maximum_comes_from_where_it_goes_on(
    path: str, major: str, most: object, expected: str
) -> None:
    """What Docker makes for CentOS 8 has ended, and only that has the old ones."""
    facts = {"distribution_major_version": major}
    system = rendered(
        variables(path)["docker_repository_system"], ansible_facts=facts, docker_max_major=most
    )
    assert system == expected


YUM = """#!/bin/sh
case $* in
    *unreachable*) echo "Error: Failed to download metadata for repo" >&2; exit 1 ;;
    *disableplugin=versionlock*) printf 'docker-ce.x86_64 3:25.0.4-1.el7 docker\\n' ;;
esac
printf 'docker-ce.x86_64 3:24.0.9-1.el7 docker\\n'
"""
"""Of CentOS 7, with 24.0.9 held."""


def asked_of_yum(package: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """What the role runs to learn of a package's versions on CentOS 7."""
    (directory / "yum").write_text(YUM)
    (directory / "yum").chmod(0o755)
    (install,) = (task for task in variables("docker/tasks/install.yml") if "block" in task)
    (look,) = (task for task in install["block"] if task.get("register") == "docker_versions")
    command = variables("docker/vars/RedHat-7.yml")["docker_versions_command"]
    packages = {"repository": [package]}
    known = {"docker_engine_packages": packages, "docker_source_used": "repository"}
    shell = look["ansible.builtin.shell"]
    return subprocess.run(
        [
            shell["executable"],
            "-c",
            rendered(shell["cmd"], docker_versions_command=rendered(command, **known)),
        ],
        env={"PATH": f"{directory}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_versions_beside_the_one_that_is_held_can_be_had(tmp_path: Path) -> None:
    """Or no upgrade would find one."""
    assert asked_of_yum("docker-ce", tmp_path).stdout.split() == ["25.0.4-1.el7", "24.0.9-1.el7"]


def test_a_source_that_cannot_be_reached_is_no_source_without_versions(tmp_path: Path) -> None:
    """The failure is yum's, in its words."""
    asked = asked_of_yum("unreachable", tmp_path)
    assert (asked.returncode, asked.stderr) == (1, "Error: Failed to download metadata for repo\n")


def test_validate_and_docker_have_the_same_maximum() -> None:
    """What validate lets pass, the role does not refuse."""
    own = variables("docker/defaults/main.yml")["docker_max_major"].strip("{ }")
    seen = variables("validate/vars/main.yml")["validate_settings"]["docker_max_major"]
    assert own in seen
