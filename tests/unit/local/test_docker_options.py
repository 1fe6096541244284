"""A Docker task as Mesos describes it becomes what the docker SDK takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mrunkit.local.docker_options import (
    ContainerRequest,
    ImageSource,
    OptionError,
    container_request,
    image_source,
)
from mrunkit.local.docker_words import start_failure_status, unreachable
from mrunkit.local.executor import Launch
from mrunkit.local.wire import TaskInfo

LABELS = {"mrunkit.local": "host/1/2"}


def launch(
    *,
    command: dict[str, Any] | None = None,
    ports: tuple[int, int] | None = None,
    container: dict[str, Any] | None = None,
    **docker: Any,
) -> Launch:
    resources: list[dict[str, Any]] = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}},
    ]
    if ports is not None:
        spans = {"range": [{"begin": ports[0], "end": ports[1]}]}
        resources.append({"name": "ports", "type": "RANGES", "ranges": spans})
    info = {
        "name": "t",
        "task_id": {"value": "t1"},
        "agent_id": {"value": "M-S0"},
        "resources": resources,
        "command": {"value": "true"} if command is None else command,
        "container": {"type": "DOCKER", "docker": {"image": "bb", **docker}, **(container or {})},
    }
    return Launch(
        task=TaskInfo.parse(info),
        framework_id="F",
        agent_id="M-S0",
        container_id="c0ffee",
        user="root",
        role="*",
        hostname="host1",
        ip="127.0.1.1",
        sandbox=Path("/work/host1-c0ffee"),
    )


def request(**parts: Any) -> ContainerRequest:
    return container_request(launch(**parts), LABELS)


def with_options(*options: tuple[str, str], **parts: Any) -> ContainerRequest:
    parameters = [{"key": key, "value": value} for key, value in options]
    return request(parameters=parameters, **parts)


def test_a_plain_task_is_what_mesos_makes_of_it() -> None:
    """Name, shell, sandbox, limits, network and variables are a real agent's."""
    assert request() == ContainerRequest(
        name="mesos-local-c0ffee",
        image="bb",
        config={
            "entrypoint": ["/bin/sh"],
            "command": ["-c", "true"],
            "environment": {
                "MESOS_AGENT_ID": "M-S0",
                "MESOS_ALLOCATION_ROLE": "*",
                "MESOS_CONTAINER_NAME": "mesos-local-c0ffee",
                "MESOS_FRAMEWORK_ID": "F",
                "MESOS_SANDBOX": "/mnt/mesos/sandbox",
                "MESOS_TASK_ID": "t1",
            },
            "labels": {"MESOS_TASK_ID": "t1", **LABELS},
        },
        host_config={
            "auto_remove": True,
            "binds": ["/work/host1-c0ffee:/mnt/mesos/sandbox"],
            "mounts": [],
            "cpu_shares": 512,
            "mem_limit": "64m",
            "network_mode": "host",
            "privileged": False,
        },
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            {"shell": False, "value": "/bin/echo", "arguments": ["x", "y z"]},
            ["/bin/echo", "x", "y z"],
        ),
        ({"shell": False, "arguments": ["x"]}, ["x"]),
        ({"shell": False}, None),
    ],
)
def test_without_a_shell_the_image_keeps_its_entrypoint(
    command: dict[str, Any], words: list[str] | None
) -> None:
    """Value and arguments are the image's command; without any, it is the image's own."""
    config = request(command=command).config
    assert (config["command"], "entrypoint" in config) == (words, False)


OPTIONS = [
    (
        "add-host",
        ["a:10.0.0.1", "b:::1"],
        "host_config",
        "extra_hosts",
        {"a": "10.0.0.1", "b": "::1"},
    ),
    ("cap-add", ["SYS_PTRACE", "NET_RAW"], "host_config", "cap_add", ["SYS_PTRACE", "NET_RAW"]),
    ("cap-drop", ["ALL"], "host_config", "cap_drop", ["ALL"]),
    ("cpu-period", ["100000"], "host_config", "cpu_period", 100000),
    ("cpu-quota", ["50000"], "host_config", "cpu_quota", 50000),
    ("cpu-shares", ["7"], "host_config", "cpu_shares", 7),
    ("cpuset-cpus", ["0-1"], "host_config", "cpuset_cpus", "0-1"),
    ("device", ["/dev/fuse:/dev/f:r"], "host_config", "devices", ["/dev/fuse:/dev/f:r"]),
    ("dns", ["10.0.0.53"], "host_config", "dns", ["10.0.0.53"]),
    ("group-add", ["44"], "host_config", "group_add", ["44"]),
    ("hostname", ["hh"], "config", "hostname", "hh"),
    ("init", ["true"], "host_config", "init", True),
    ("init", ["false"], "host_config", "init", False),
    ("ipc", ["host"], "host_config", "ipc_mode", "host"),
    ("memory", ["1g"], "host_config", "mem_limit", "1g"),
    ("memory-swap", ["-1"], "host_config", "memswap_limit", "-1"),
    ("pids-limit", ["99"], "host_config", "pids_limit", 99),
    ("read-only", ["true"], "host_config", "read_only", True),
    ("security-opt", ["no-new-privileges"], "host_config", "security_opt", ["no-new-privileges"]),
    ("shm-size", ["512m"], "host_config", "shm_size", "512m"),
    ("stop-signal", ["SIGINT"], "config", "stop_signal", "SIGINT"),
    ("sysctl", ["net.core.somaxconn=9"], "host_config", "sysctls", {"net.core.somaxconn": "9"}),
    ("tmpfs", ["/a", "/b:size=1m"], "host_config", "tmpfs", {"/a": "", "/b": "size=1m"}),
    (
        "ulimit",
        ["memlock=-1:-1", "nofile=99"],
        "host_config",
        "ulimits",
        [{"Name": "memlock", "Soft": -1, "Hard": -1}, {"Name": "nofile", "Soft": 99, "Hard": 99}],
    ),
    ("user", ["1", "2:3"], "config", "user", "2:3"),
    ("workdir", ["/share"], "config", "working_dir", "/share"),
]


@pytest.mark.parametrize(("key", "values", "part", "argument", "expected"), OPTIONS)
def test_an_option_of_docker_run_is_the_same_for_the_sdk(
    key: str, values: list[str], part: str, argument: str, expected: object
) -> None:
    """Repeated, it adds to a list, or replaces what cannot be one."""
    made = with_options(*((key, value) for value in values))
    assert getattr(made, part)[argument] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", {"Count": -1}),
        ("2", {"Count": 2}),
        ('"device=0,GPU-1"', {"Count": 0, "DeviceIDs": ["0", "GPU-1"]}),
    ],
)
def test_gpus_are_asked_for_as_devices(text: str, expected: dict[str, object]) -> None:
    """All, a number, or some by their ids."""
    (device,) = with_options(("gpus", text)).host_config["device_requests"]
    assert device == {"Driver": "", "Capabilities": [["gpu"]], "Options": {}, **expected}


def test_options_add_to_what_mesos_sets_and_override_it() -> None:
    """Variables and volumes stay; a variable of the same name is replaced, the command's before."""
    variables = [{"name": "A", "value": "command"}, {"name": "B", "value": "command"}]
    made = with_options(
        ("env", "A=option"),
        ("volume", "/data:/data:ro"),
        ("label", "l=1"),
        command={"value": "true", "environment": {"variables": variables}},
    )
    environment = made.config["environment"]
    assert (environment["A"], environment["B"]) == ("option", "command")
    assert environment["MESOS_TASK_ID"] == "t1"
    assert made.host_config["binds"] == ["/work/host1-c0ffee:/mnt/mesos/sandbox", "/data:/data:ro"]
    assert made.config["labels"] == {"MESOS_TASK_ID": "t1", "l": "1", **LABELS}


def test_the_label_of_the_cluster_cannot_be_overridden() -> None:
    """Or leftovers would not be found."""
    made = with_options(("label", "mrunkit.local=other"))
    assert made.config["labels"]["mrunkit.local"] == "host/1/2"


def test_volumes_are_mounted_relative_to_the_sandbox_on_either_side() -> None:
    """As Mesos does, a relative path is one in the sandbox."""
    made = request(
        container={
            "volumes": [
                {"host_path": "/share", "container_path": "/share", "mode": "RW"},
                {"host_path": "/in", "container_path": "data", "mode": "RO"},
                {"host_path": "out", "container_path": "/out"},
            ]
        }
    )
    assert made.host_config["binds"][1:] == ["/work/host1-c0ffee/out:/out:rw"]
    mounts = made.host_config["mounts"]
    assert [(it["Source"], it["Target"], it["ReadOnly"]) for it in mounts] == [
        ("/share", "/share", False),
        ("/in", "/mnt/mesos/sandbox/data", True),
    ]


def test_a_user_network_is_named_and_has_aliases() -> None:
    """The one network_infos entry names it."""
    made = with_options(
        ("network-alias", "a"),
        ("network-alias", "b"),
        ("ip", "10.0.9.9"),
        network="USER",
        container={"network_infos": [{"name": "mpi-network"}]},
    )
    assert made.host_config["network_mode"] == "mpi-network"
    assert made.endpoint == {"aliases": ["a", "b"], "ipv4_address": "10.0.9.9"}


def test_ports_are_published_from_the_tasks_own() -> None:
    """Several host ports may lead to one of the container's."""
    mappings = [
        {"host_port": 31000, "container_port": 80},
        {"host_port": 31001, "container_port": 80, "protocol": "tcp"},
        {"host_port": 31002, "container_port": 53, "protocol": "udp"},
    ]
    made = request(network="BRIDGE", ports=(31000, 31002), port_mappings=mappings)
    assert made.host_config["port_bindings"] == {"80/tcp": [31000, 31001], "53/udp": [31002]}
    assert made.config["ports"] == [("80", "tcp"), ("53", "udp")]


ONE_PORT = {"port_mappings": [{"host_port": 31000, "container_port": 80}]}
TWO_NETWORKS = {"network_infos": [{"name": "a"}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"network": "USER"}, "No network info found in container info"),
        (
            {"network": "USER", "container": TWO_NETWORKS},
            "Only a single network can be defined in Docker run options",
        ),
        (
            {"network": "USER", "container": {"network_infos": [{}]}},
            "No network name found in network info",
        ),
        (ONE_PORT, "Port mappings are only supported for bridge and user-defined networks"),
        ({"network": "BRIDGE", **ONE_PORT}, "Port [31000] not included in resources"),
        ({"container": {"hostname": "h"}}, "Unable to set hostname with host network mode"),
        (
            {"container": {"volumes": [{"host_path": "relhost", "container_path": "rel"}]}},
            "Both host_path 'relhost' and container_path 'rel' of a volume are relative",
        ),
    ],
)
def test_what_mesos_refuses_is_refused_in_its_words(parts: dict[str, Any], message: str) -> None:
    """As recorded, or as its source has it."""
    with pytest.raises(OptionError) as refused:
        request(**parts)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "mine"),
        ("network", "host"),
        ("no-such", "thing"),
        ("cpu-quota", "half"),
        ("init", "perhaps"),
        ("memory", "much"),
        ("env", "LONELY"),
        ("ulimit", "nofile"),
        ("volume", "/anonymous"),
        ("gpus", "few"),
        ("add-host", "nowhere"),
    ],
)
def test_an_option_that_cannot_be_is_named(key: str, value: str) -> None:
    """Nothing is left out silently."""
    with pytest.raises(OptionError, match=f"--{key}={value}"):
        with_options((key, value))


def test_aliases_need_a_user_network() -> None:
    """Docker knows no names on its other networks."""
    with pytest.raises(OptionError, match="network-alias"):
        with_options(("network-alias", "a"), network="BRIDGE")


def test_the_image_is_only_pulled_if_it_must_be() -> None:
    """`force_pull_image` is off by default, whatever the tag."""
    assert image_source(launch()) == ImageSource(name="bb", must_pull=False)
    forced = image_source(launch(force_pull_image=True))
    assert forced == ImageSource(name="bb", must_pull=True)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ('exec: "x": executable file not found in $PATH: unknown', 127),
        ('exec: "/x": stat /x: no such file or directory: unknown', 127),
        ('exec: "/etc": permission denied: unknown', 126),
        ('exec: "/etc": is a directory: unknown', 126),
        ("network foo not found", 125),
        ("No command specified", 125),
    ],
)
def test_a_container_that_cannot_start_ends_as_docker_run_does(said: str, status: int) -> None:
    """With 127, 126 or 125; the first and the last were recorded."""
    assert start_failure_status(said) == status


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("... FileNotFoundError(2, 'No such file')", "Cannot connect to the Docker daemon at A."),
        ("... ConnectionRefusedError(111, '')", "Cannot connect to the Docker daemon at A."),
        ("... PermissionError(13, '')", "permission denied while trying to connect"),
        ("something else", "something else"),
    ],
)
def test_an_engine_out_of_reach_is_told_in_dockers_words(said: str, words: str) -> None:
    """The SDK's nested exceptions help nobody."""
    assert unreachable(said, "A").startswith(words)
