"""Hosts to log in to: sshd on loopback ports, with keys and a PATH of their own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PATIENCE = 30.0

STUB = """\
#!/bin/sh
echo "$*" >>{log}
case "$2" in
    inspect) echo "Error: No such image: $5" >&2; exit 1 ;;
    load) cat >{fed}; echo "Loaded image: x" ;;
esac
"""
"""A docker that has nothing, and keeps what it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshHost:
    """A running sshd."""

    name: str
    port: int
    directory: Path

    @property
    def log(self) -> list[str]:
        """What the stub was called with."""
        return (self.directory / "log").read_text().splitlines()

    @property
    def fed(self) -> Path:
        """What the stub's `docker load` was given."""
        return self.directory / "fed"

    @property
    def line(self) -> str:
        """Its line in an inventory."""
        return f"{self.name} ansible_host=127.0.0.1 ansible_port={self.port}"

    @property
    def known_host(self) -> str:
        """Its line in known_hosts."""
        key = (self.directory / "host_key.pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n"


def make_key(path: Path) -> None:
    """A key pair without passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


@contextlib.contextmanager
def sshd(name: str, directory: Path, authorized: Path, *, has_stub: bool) -> Iterator[SshHost]:
    """Serve ssh for the current user, who may log in with one key."""
    assert SSHD is not None
    directory.mkdir()
    make_key(directory / "host_key")
    path = os.environ.get("PATH", os.defpath)
    if has_stub:
        (directory / "bin").mkdir()
        stub = directory / "bin" / "docker"
        stub.write_text(STUB.format(log=directory / "log", fed=directory / "fed"))
        stub.chmod(0o755)
        path = f"{directory}/bin:{path}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\n"
        f"HostKey {directory}/host_key\n"
        f"AuthorizedKeysFile {authorized}\n"
        f"SetEnv PATH={path}\n"
        f"AllowUsers {getpass.getuser()}\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd puts its unprivileged part
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", directory / "sshd_config"],
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        _wait_until_it_answers(port, process, directory)
        yield SshHost(name=name, port=port, directory=directory)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                return
        except ConnectionRefusedError:
            said = (directory / "stderr").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
