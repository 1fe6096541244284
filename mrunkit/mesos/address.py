"""Where the master is: `HOST[:PORT]`, or the ZooKeeper ensemble that knows it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from mrunkit.errors import MrunkitError, UsageError

DEFAULT_PORT = 5050

_HOST = r"[A-Za-z0-9._-]+"
_SERVER = re.compile(rf"(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{{1,5}}))?")
"""One of an ensemble."""


class MasterUnreachableError(MrunkitError):
    """No master answers, or what answers is none."""


class ZooKeeperError(MasterUnreachableError):
    """ZooKeeper does not know of masters, or nobody knows of ZooKeeper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPort:
    """One TCP endpoint."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeper:
    """An ensemble, and the path under which masters register there."""

    hosts: str
    path: str


def parse_master(text: str) -> HostPort | ZooKeeper:
    """Parse MASTER; raises UsageError with the forms there are."""
    zookeeper = re.fullmatch(r"zk://([^/\s]+)(/[^\s\ud800-\udfff]+)", text)
    if zookeeper and _is_ensemble(zookeeper[1]) and not {".", ".."} & {*zookeeper[2].split("/")}:
        return ZooKeeper(hosts=zookeeper[1], path=zookeeper[2].rstrip("/"))
    plain = re.fullmatch(rf"(?:http://)?({_HOST})(?::(\d{{1,5}}))?/?", text)
    if plain and _is_port(plain[2] or DEFAULT_PORT):
        return HostPort(host=plain[1], port=int(plain[2] or DEFAULT_PORT))
    raise UsageError(
        f"{text!r} is not a master",
        remedy="give HOST[:PORT], zk://HOST:PORT[,HOST:PORT...]/PATH, local or local:4x8",
    )


def _is_ensemble(hosts: str) -> bool:
    """Whether kazoo can read it; it passes over what stands before an `@`."""
    servers = [_SERVER.fullmatch(server) for server in hosts.rpartition("@")[2].split(",")]
    return all(server and _is_port(server["port"] or DEFAULT_PORT) for server in servers)


def _is_port(number: str | int) -> bool:
    return 0 < int(number) < 65536


def find_leader(zookeeper: ZooKeeper, *, timeout: float) -> HostPort:
    """Ask the ensemble which master leads; blocks up to `timeout` seconds per try."""
    # Here, because it takes 0.1 s that a fixed address need not pay.
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError

    where = f"zk://{zookeeper.hosts}{zookeeper.path}"
    client = KazooClient(hosts=zookeeper.hosts, timeout=timeout)
    try:
        client.start(timeout=timeout)
        leader = leading_node(client.get_children(zookeeper.path))
        data = _read_node(client, f"{zookeeper.path}/{leader}") if leader else None
    except KazooTimeoutError as error:
        raise ZooKeeperError(
            f"ZooKeeper at {zookeeper.hosts} does not answer",
            remedy="check the host names and ports, and that ZooKeeper runs",
        ) from error
    except NoNodeError as error:
        raise ZooKeeperError(
            f"ZooKeeper has no path {zookeeper.path}",
            remedy="use the path that the masters were started with (--zk)",
        ) from error
    except KazooException as error:
        raise MasterUnreachableError(f"{where}: {error}") from error
    finally:
        client.stop()
        client.close()
    if data is None:
        raise MasterUnreachableError(f"no master leads at {where}")
    return _read_address(data, where)


def _read_node(client: Any, node: str) -> bytes | None:
    """A node's data; None if it has gone since it was listed."""
    from kazoo.exceptions import NoNodeError

    try:
        data: bytes = client.get(node)[0]
    except NoNodeError:
        return None
    return data


def _read_address(data: bytes, where: str) -> HostPort:
    """The address in a node's MasterInfo."""
    try:
        address = json.loads(data)["address"]
        leader = HostPort(host=str(address["ip"]), port=int(address["port"]))
    except (ValueError, OverflowError, KeyError, TypeError) as error:
        raise _no_master(where) from error
    if not _is_port(leader.port):
        raise _no_master(where)
    return leader


def _no_master(where: str) -> ZooKeeperError:
    return ZooKeeperError(
        f"what leads at {where} is not a Mesos master",
        remedy="use the path that the masters were started with (--zk)",
    )


def leading_node(children: list[str]) -> str | None:
    """The node of the leading master: the one that has been there longest."""
    return min((name for name in children if name.startswith("json.info_")), default=None)
