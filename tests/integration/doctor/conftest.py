"""Hosts to look at: sshd on loopback ports, which take a key of their own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "containers_cli"))

from hosts import SSHD, SshHost, make_key, sshd

from mrunkit.inventory import Host


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """Start a host, known by a file of its own that no default would find."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd on this machine: apt-get install openssh-server")
    make_key(tmp_path / "key")
    with ExitStack() as running:

        def started(name: str) -> Host:
            served = running.enter_context(
                sshd(name, tmp_path / name, tmp_path / "key.pub", has_stub=False)
            )
            return host_of(served, tmp_path)

        yield started


def host_of(served: SshHost, directory: Path) -> Host:
    """The host as an inventory would describe it."""
    known_hosts = served.directory / "known_hosts"
    known_hosts.write_text(served.known_host)
    return Host(
        name=served.name,
        address="127.0.0.1",
        port=served.port,
        key_file=str(directory / "key"),
        known_hosts=(str(known_hosts),),
    )
