"""When the SDK may be imported without what it needs for ssh."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mrunkit.local.docker_sdk import may_need_ssh


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"DOCKER_HOST": "unix:///run/docker.sock"}, False),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_CONTEXT": "far"}, False),
        ({"DOCKER_HOST": "ssh://me@there"}, True),
        ({"DOCKER_CONTEXT": "far"}, True),
    ],
)
def test_the_environment_names_the_engine(
    environ: dict[str, str], expected: bool, tmp_path: Path
) -> None:
    """Its address comes first; what a context holds is not looked at."""
    assert may_need_ssh(environ, tmp_path) == expected


@pytest.mark.parametrize(("config", "expected"), [({}, False), ({"currentContext": "far"}, True)])
@pytest.mark.parametrize("variable", [False, True])
def test_dockers_own_configuration_may_name_a_context(
    config: dict[str, str], expected: bool, variable: bool, tmp_path: Path
) -> None:
    """In the home directory, or where DOCKER_CONFIG says."""
    directory = tmp_path / ("elsewhere" if variable else ".docker")
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    environ = {"DOCKER_CONFIG": str(directory)} if variable else {}
    assert may_need_ssh(environ, tmp_path) == expected
