"""How the command line names an embedded cluster."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from mrunkit.errors import UsageError
from mrunkit.local.config import LocalConfig, config_from_json, parse_local
from mrunkit.local.spawn import agent_environment


def test_local_alone_fits_the_machine() -> None:
    """Four agents share the machine's processors and memory."""
    config = parse_local("local", cpu_count=61, total_mem=65536)
    assert (config.agents, config.cpus, config.mem) == (4, 16, 16384)


def test_local_alone_is_never_too_small_to_show_something() -> None:
    """A small machine is oversubscribed."""
    config = parse_local("local", cpu_count=2, total_mem=2048)
    assert (config.agents, config.cpus, config.mem) == (4, 8, 4096)


def test_agents_and_cpus_can_be_given() -> None:
    """`local:2x0.5` is two agents with half a cpu each."""
    config = parse_local("local:2x0.5", cpu_count=2, total_mem=20000)
    assert (config.agents, config.cpus, config.mem) == (2, 0.5, 10000)


@pytest.mark.parametrize(
    "master",
    ["local:", "local:4", "local:x8", "local:0x8", "local:4x0", "local:999x1", "localhost"],
)
def test_what_makes_no_cluster_is_a_usage_error(master: str) -> None:
    """It is refused with what to write instead."""
    with pytest.raises(UsageError) as error:
        parse_local(master)
    assert error.value.remedy


def test_a_configuration_survives_json() -> None:
    """The child process runs what its parent was given."""
    config = LocalConfig(agents=2, ports=((1, 2), (5, 9)), attributes={2: {"rack": "r1"}})
    assert config_from_json(json.loads(json.dumps(asdict(config)))) == config


def test_agents_get_what_a_service_would_have() -> None:
    """Ranks must not come to depend on the client's environment, nor see its secrets."""
    environ = {"PATH": "/bin", "LC_ALL": "C", "API_TOKEN": "secret", "EDITOR": "vi"}
    assert agent_environment(environ) == {"PATH": "/bin", "LC_ALL": "C"}
