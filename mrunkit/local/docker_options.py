"""A Docker task as Mesos describes it, as the docker SDK takes it.

Pure. Owns what Mesos' docker containerizer makes of a task, and which options of `docker run`
are known. Talks to no engine.
Sources: mesos.proto, `ContainerInfo`; Mesos 1.11's `docker run`, as recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mrunkit.local.executor import Launch
from mrunkit.local.wire import Command, Json

SANDBOX = "/mnt/mesos/sandbox"
"""Where a container finds its task's sandbox."""

LEAST_MEM = 4  # MB
LEAST_CPU_SHARES = 2
CPU_SHARES = 1024  # per cpu


class OptionError(Exception):
    """A task's container cannot be had; the text says what is wrong with which option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequest:
    """A container to be made: arguments of the SDK's functions, by their names there."""

    name: str
    image: str
    config: Json = field(default_factory=dict)
    """Of `create_container`."""
    host_config: Json = field(default_factory=dict)
    """Of `create_host_config`."""
    endpoint: Json = field(default_factory=dict)
    """Of `create_endpoint_config`, for the network that `host_config` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Which image a task wants, and whether one that is here already is good enough."""

    name: str
    must_pull: bool


def image_source(launch: Launch) -> ImageSource:
    """The image of a Docker task."""
    docker = _docker(launch)
    return ImageSource(name=docker["image"], must_pull=bool(docker.get("force_pull_image", False)))


def container_name(container_id: str) -> str:
    """What Docker calls the container that Mesos calls by this id.

    A real agent has `mesos-UUID`, and when it starts it removes those that it does not know.
    """
    return f"mesos-local-{container_id}"


def container_request(launch: Launch, labels: Mapping[str, str]) -> ContainerRequest:
    """The container of a Docker task, with further labels; raises OptionError."""
    docker = _docker(launch)
    name = container_name(launch.container_id)
    network = _network(launch)
    request = ContainerRequest(
        name=name,
        image=docker["image"],
        config={
            "environment": _environment(launch, name),
            "labels": {"MESOS_TASK_ID": launch.task.id},
            **_command(launch.task.command or Command()),
        },
        host_config={
            "auto_remove": True,
            "binds": [f"{launch.sandbox}:{SANDBOX}", *_sandbox_binds(launch)],
            "mounts": _mounts(launch),
            "cpu_shares": max(int(launch.task.resources.cpus * CPU_SHARES), LEAST_CPU_SHARES),
            "mem_limit": f"{max(round(launch.task.resources.mem), LEAST_MEM)}m",
            "network_mode": network,
            "privileged": bool(docker.get("privileged", False)),
        },
    )
    _add_ports(request, launch)
    _add_hostname(request, launch)
    for parameter in docker.get("parameters", ()):
        _add_option(request, parameter["key"], parameter.get("value", ""))
    if request.endpoint and docker.get("network") != "USER":
        raise OptionError("network-alias and ip are only supported on user-defined networks")
    # Last: what tells leftovers must not be overridden.
    request.config["labels"].update(labels)
    return request


def _docker(launch: Launch) -> Json:
    docker: Json = (launch.task.container or {})["docker"]
    return docker


def _command(command: Command) -> Json:
    if command.shell:
        return {"entrypoint": ["/bin/sh"], "command": ["-c", command.value or ""]}
    words = [*([command.value] if command.value else []), *command.arguments]
    return {"command": words or None}


def _environment(launch: Launch, name: str) -> dict[str, str]:
    environment = {
        "MESOS_AGENT_ID": launch.agent_id,
        "MESOS_ALLOCATION_ROLE": launch.role,
        "MESOS_CONTAINER_NAME": name,
        "MESOS_FRAMEWORK_ID": launch.framework_id,
        "MESOS_SANDBOX": SANDBOX,
        "MESOS_TASK_ID": launch.task.id,
    }
    return environment | dict(launch.task.command.environment if launch.task.command else {})


def _network(launch: Launch) -> str:
    """What Docker calls the network, by Mesos' name for the kind of it."""
    mode = _docker(launch).get("network", "HOST")
    if mode != "USER":
        return str(mode).lower()
    infos = (launch.task.container or {}).get("network_infos", ())
    if not infos:
        raise OptionError("No network info found in container info")
    if len(infos) > 1:
        raise OptionError("Only a single network can be defined in Docker run options")
    if not infos[0].get("name"):
        raise OptionError("No network name found in network info")
    return str(infos[0]["name"])


def _sandbox_binds(launch: Launch) -> list[str]:
    """Volumes in the sandbox, where Docker makes the directories that they need."""
    binds = []
    for volume in _volumes(launch):
        outside, inside = volume["host_path"], volume["container_path"]
        if not outside.startswith("/"):
            if not inside.startswith("/"):
                raise OptionError(
                    f"Both host_path '{outside}' and container_path '{inside}' of a volume "
                    "are relative"
                )
            binds.append(f"{launch.sandbox}/{outside}:{inside}:{_mode(volume)}")
    return binds


def _mounts(launch: Launch) -> list[Json]:
    """Volumes outside of the sandbox, which must be there.

    Otherwise Docker would make them again that a client has just removed.
    """
    return [
        {
            "Type": "bind",
            "Source": volume["host_path"],
            "Target": _inside(volume["container_path"]),
            "ReadOnly": _mode(volume) == "ro",
        }
        for volume in _volumes(launch)
        if volume["host_path"].startswith("/")
    ]


def _volumes(launch: Launch) -> list[Json]:
    volumes: list[Json] = (launch.task.container or {}).get("volumes", [])
    for volume in volumes:
        if volume.get("host_path") is None:
            raise OptionError(
                f"volume {volume['container_path']} has no host_path: "
                "volume drivers are not supported"
            )
    return volumes


def _inside(path: str) -> str:
    return path if path.startswith("/") else f"{SANDBOX}/{path}"


def _mode(volume: Json) -> str:
    return str(volume.get("mode", "RW")).lower()


def _add_ports(request: ContainerRequest, launch: Launch) -> None:
    mappings = _docker(launch).get("port_mappings", ())
    if not mappings:
        return
    if request.host_config["network_mode"] in {"host", "none"}:
        raise OptionError("Port mappings are only supported for bridge and user-defined networks")
    bindings: dict[str, list[int]] = {}
    for mapping in mappings:
        port = int(mapping["host_port"])
        if not any(first <= port <= last for first, last in launch.task.resources.ports):
            raise OptionError(f"Port [{port}] not included in resources")
        inside = f"{mapping['container_port']}/{mapping.get('protocol', 'tcp')}"
        bindings.setdefault(inside, []).append(port)
    request.host_config["port_bindings"] = bindings
    request.config["ports"] = [tuple(inside.split("/")) for inside in bindings]


def _add_hostname(request: ContainerRequest, launch: Launch) -> None:
    hostname = (launch.task.container or {}).get("hostname")
    if hostname is None:
        return
    if request.host_config["network_mode"] == "host":
        raise OptionError("Unable to set hostname with host network mode")
    request.config["hostname"] = hostname


def _add_option(request: ContainerRequest, key: str, text: str) -> None:
    """Add one option of `docker run`; a later one of the same name adds to lists, or replaces."""
    option = _OPTIONS.get(key)
    if option is None:
        reason = "Mesos names the container" if key == "name" else "the embedded cluster lacks it"
        raise OptionError(f"docker option --{key}={text} is not possible: {reason}")
    try:
        value = option.read(text)
    except ValueError as error:
        raise OptionError(f"invalid docker option --{key}={text}: {error}") from None
    arguments = getattr(request, option.part)
    if isinstance(value, list):
        arguments[option.argument] = [*arguments.get(option.argument, ()), *value]
    elif isinstance(value, dict):
        arguments[option.argument] = {**arguments.get(option.argument, {}), **value}
    else:
        arguments[option.argument] = value


def _flag(text: str) -> bool:
    """A truth value as Go reads it."""
    if text.lower() in {"1", "t", "true"}:
        return True
    if text.lower() in {"0", "f", "false"}:
        return False
    raise ValueError("must be true or false")


def _amount(text: str) -> str:
    """An amount of memory; the SDK reads it."""
    digits = text.lower().removesuffix("b")
    float(digits[:-1] if digits.endswith(("k", "m", "g", "t")) else digits)
    return text


def _item(text: str) -> list[str]:
    return [text]


def _pair(separator: str) -> Callable[[str], dict[str, str]]:
    def read(text: str) -> dict[str, str]:
        name, _, value = text.partition(separator)
        return {name: value}

    return read


def _full_pair(separator: str) -> Callable[[str], dict[str, str]]:
    def read(text: str) -> dict[str, str]:
        name, found, value = text.partition(separator)
        if not (name and found):
            raise ValueError(f"must be NAME{separator}VALUE")
        return {name: value}

    return read


def _ulimit(text: str) -> list[Json]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return [{"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}]


def _volume(text: str) -> list[str]:
    if ":" not in text:
        raise ValueError("must be HOST:CONTAINER[:MODE]")
    return [text]


def _gpus(text: str) -> list[Json]:
    """`all`, a number, or `device=ID,ID`, in quotes if need be."""
    request: Json = {"Driver": "", "Capabilities": [["gpu"]], "Options": {}}
    kind, _, devices = text.strip('"').partition("=")
    if kind == "device" and devices:
        return [request | {"Count": 0, "DeviceIDs": devices.split(",")}]
    return [request | {"Count": -1 if text == "all" else int(text)}]


@dataclass(frozen=True, slots=True)
class _Option:
    part: str
    argument: str
    read: Callable[[str], Any]


_OPTIONS = {
    "add-host": _Option("host_config", "extra_hosts", _full_pair(":")),
    "cap-add": _Option("host_config", "cap_add", _item),
    "cap-drop": _Option("host_config", "cap_drop", _item),
    "cpu-period": _Option("host_config", "cpu_period", int),
    "cpu-quota": _Option("host_config", "cpu_quota", int),
    "cpu-shares": _Option("host_config", "cpu_shares", int),
    "cpuset-cpus": _Option("host_config", "cpuset_cpus", str),
    "device": _Option("host_config", "devices", _item),
    "dns": _Option("host_config", "dns", _item),
    "env": _Option("config", "environment", _full_pair("=")),
    "gpus": _Option("host_config", "device_requests", _gpus),
    "group-add": _Option("host_config", "group_add", _item),
    "hostname": _Option("config", "hostname", str),
    "init": _Option("host_config", "init", _flag),
    "ip": _Option("endpoint", "ipv4_address", str),
    "ipc": _Option("host_config", "ipc_mode", str),
    "label": _Option("config", "labels", _pair("=")),
    "memory": _Option("host_config", "mem_limit", _amount),
    "memory-swap": _Option("host_config", "memswap_limit", _amount),
    "network-alias": _Option("endpoint", "aliases", _item),
    "pids-limit": _Option("host_config", "pids_limit", int),
    "read-only": _Option("host_config", "read_only", _flag),
    "security-opt": _Option("host_config", "security_opt", _item),
    "shm-size": _Option("host_config", "shm_size", _amount),
    "stop-signal": _Option("config", "stop_signal", str),
    "sysctl": _Option("host_config", "sysctls", _full_pair("=")),
    "tmpfs": _Option("host_config", "tmpfs", _pair(":")),
    "ulimit": _Option("host_config", "ulimits", _ulimit),
    "user": _Option("config", "user", str),
    "volume": _Option("host_config", "binds", _volume),
    "workdir": _Option("config", "working_dir", str),
}
