"""Hosts with systemd and sshd as containers, and playbooks run on them.

Owns the hosts' life and how ansible-playbook is called; what a role promises, its own test says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from mrunkit.containers.engine import connect
from mrunkit.lab.docker_hosts import DockerHosts
from mrunkit.lab.request import Backend, GuestSize, LabRequest, Suite, recipe
from mrunkit.settings import cache_dir

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
CONTAINER_SKIPS = ("nfs", "share", "vxlan", "disk", "mesos")
"""The kernel of a machine that runs tests need have neither NFS nor ESP nor much room."""

CONTAINER_VARIABLES: Mapping[str, object] = {
    "lab_network_is_encrypted": False,
    "validate_skip": list(CONTAINER_SKIPS),
}

USER = "tester"
"""An ordinary user on each host, with sudo and the same key as root."""
INOTIFY = "/proc/sys/fs/inotify/max_user_instances"
"""A systemd takes about six of them; without one it does not boot, and says nothing of it."""

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a run of ansible-playbook ended."""

    status: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by host."""
        return self._recap("changed")

    @property
    def failed(self) -> dict[str, int]:
        """How many tasks failed, by host."""
        return self._recap("failed")

    def _recap(self, key: str) -> dict[str, int]:
        recap = self.output.rpartition("PLAY RECAP")[2]
        found = re.findall(rf"^(\S+)\s+: .*\b{key}=(\d+)", recap, re.MULTILINE)
        return {host: int(count) for host, count in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabHosts:
    """Hosts named host0, host1, ...: host0 is the master, the others are agents."""

    docker: Docker
    directory: Path
    """Holds inventory.ini, the key, known_hosts and, once a playbook ran, .mrunkit."""
    containers: Mapping[str, str]
    """Container by host."""
    addresses: Mapping[str, str]
    variables: Mapping[str, object] = field(default_factory=lambda: dict(CONTAINER_VARIABLES))
    """What each run gets with --extra-vars."""

    @property
    def inventory(self) -> Path:
        """The inventory of all hosts."""
        return self.directory / "inventory.ini"

    def on(self, host: str, *command: str, check: bool = True) -> str:
        """Run a command on a host, without ssh, and give what it printed."""
        return self.docker("exec", self.containers[host], *command, check=check).stdout

    def seen(self, host: str) -> Host:
        """A host as testinfra sees it, without ssh: its files, services, packages and sockets."""
        return testinfra.get_host(f"docker://{self.containers[host]}")

    def present(self, host: str, *paths: str) -> list[str]:
        """Which of these are there; a link that leads nowhere is, too."""
        files = [self.seen(host).file(path) for path in paths]
        return [file.path for file in files if file.exists or file.is_symlink]

    def play(
        self,
        *words: str | Path,
        inventory: Path | None = None,
        check: bool = True,
        **variables: object,
    ) -> Played:
        """Run playbooks of `playbooks/`; with `check`, fail with the output if one failed."""
        command = [_ansible_playbook(), "-i", str(inventory or self.inventory), *map(str, words)]
        command += ["--extra-vars", json.dumps({**self.variables, **variables})]
        done = subprocess.run(
            command,
            cwd=PLAYBOOKS,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": "ansible.cfg",
                "ANSIBLE_NOCOLOR": "1",
                # As mrunkit has it: a run with --limit knows the other hosts from earlier ones.
                "ANSIBLE_CACHE_PLUGIN": "jsonfile",
                "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.directory / ".mrunkit/facts"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        played = Played(status=done.returncode, output=done.stdout + done.stderr)
        if check and played.status:
            pytest.fail(f"{' '.join(command)}: exit {played.status}\n{played.output}")
        return played


def start(docker: Docker, name: str, count: int, image: str, directory: Path) -> LabHosts:
    """Start hosts on a network of their own, which the caller takes away by the label `name`."""
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    docker("network", "create", "--label", name, name)
    containers = {f"host{index}": f"{name}-host{index}" for index in range(count)}
    for host, container in containers.items():
        docker(
            *("run", "-d", "--name", container, "--hostname", host, "--label", name),
            *("--network", name, "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            *("-v", "/var/lib/docker", image, "/sbin/init"),
        )
    public = key.with_suffix(".pub").read_text().strip()
    prepare = f"""
        timeout 120 sh -c "until systemctl is-system-running | grep -Eq 'running|degraded'
            do sleep 0.2; done" 2> /dev/null || {{ systemctl list-jobs; cat {INOTIFY}; exit 1; }}
        install -d -m 700 /root/.ssh && echo '{public}' >> /root/.ssh/authorized_keys
        useradd -m -s /bin/sh -u 1234 {USER} && cp -r /root/.ssh ~{USER}/
        chown -R {USER} ~{USER}/.ssh && echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/test
        rm -f /etc/machine-id /var/lib/dbus/machine-id
        systemd-machine-id-setup > /dev/null 2>&1
        ssh-keygen -A > /dev/null; systemctl reset-failed; systemctl restart ssh || exit 1
        cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub; hostname -i
    """
    addresses, known = {}, ""
    for host, container in containers.items():
        printed = docker("exec", container, "sh", "-c", prepare).stdout.strip().splitlines()
        addresses[host] = printed[1].split()[0]
        known += f"{addresses[host]} {printed[0]}\n"
    (directory / "known_hosts").write_text(known)
    hosts = LabHosts(docker=docker, directory=directory, containers=containers, addresses=addresses)
    hosts.inventory.write_text(inventory_text(hosts))
    return hosts


def inventory_text(hosts: LabHosts, user: str = "root") -> str:
    """The inventory of hosts, for a test to change."""
    lines = [f"{host} ansible_host={address}" for host, address in hosts.addresses.items()]
    variables = [
        f"ansible_user={user}",
        f"ansible_ssh_private_key_file={hosts.directory}/key",
        f"ansible_ssh_common_args=-o UserKnownHostsFile={hosts.directory}/known_hosts",
    ]
    parts = ["[masters]", lines[0], "", "[agents]", *lines[1:], "", "[all:vars]", *variables, ""]
    return "\n".join(parts)


def _ansible_playbook() -> str:
    beside = shutil.which(str(Path(sys.executable).parent / "ansible-playbook"))
    found = beside or shutil.which("ansible-playbook")
    if found is None:
        pytest.skip("no ansible-playbook")
    return found


class _Quiet:
    """Nobody watches; implements Progress."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Say nothing."""


def base_image(*, is_ready: bool, extra: tuple[str, ...] = ()) -> str:
    """The image that `mrunkit lab up [--ready]` makes hosts of; made if it is not there."""
    request = LabRequest(
        name="roles",
        backend=Backend.DOCKER,
        hosts=1,
        recipe=recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=is_ready, extra=extra),
        size=GuestSize(),
    )
    cache = cache_dir(os.environ, Path.home()) / "lab"
    return DockerHosts(connect(), cache).prepare(request, created=0.0, progress=_Quiet()).base
