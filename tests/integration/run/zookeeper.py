"""A real ZooKeeper on a loopback port, and Mesos masters' nodes in it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kazoo.client import KazooClient

JAR = Path("/usr/share/java/zookeeper.jar")
JAVA = shutil.which("java")
SMALL = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
START_SECONDS = 60.0


class Ensemble:
    """One ZooKeeper server, in which masters are registered by hand."""

    def __init__(self, port: int) -> None:
        self.hosts = f"127.0.0.1:{port}"
        self._client = KazooClient(hosts=self.hosts)
        self._client.start(timeout=START_SECONDS)

    def make_path(self, path: str) -> str:
        """Make an empty path, as the first master does; returns MASTER for it."""
        self._client.ensure_path(path)
        return f"zk://{self.hosts}{path}"

    def register(self, path: str, port: int) -> str:
        """Add a master's node as the last in line; returns the node."""
        address = {"hostname": "localhost", "ip": "127.0.0.1", "port": port}
        # As Mesos 1.11 writes it, with what else is in there left out.
        info = {"address": address, "hostname": "localhost", "port": port, "version": "1.11.0"}
        data = json.dumps(info).encode()
        return str(self._client.create(f"{path}/json.info_", data, ephemeral=True, sequence=True))

    def unregister(self, node: str) -> None:
        """A master has gone, and its session has ended."""
        self._client.delete(node)

    def close(self) -> None:
        """End the connection."""
        self._client.stop()
        self._client.close()


@contextlib.contextmanager
def running_ensemble(directory: Path) -> Iterator[Ensemble]:
    """Run a server with its data in a directory."""
    assert JAVA is not None, "callers skip without Java"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = directory / "zoo.cfg"
    config.write_text(
        f"dataDir={directory}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "tickTime=500\nadmin.enableServer=false\n"
    )
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(
            [JAVA, *SMALL, "-cp", str(JAR), MAIN, str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as server,
    ):
        try:
            ensemble = Ensemble(port)
            try:
                yield ensemble
            finally:
                ensemble.close()
        finally:
            server.kill()
