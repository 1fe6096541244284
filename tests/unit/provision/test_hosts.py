"""What hosts.sh tells of a host, and what is made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.hosts import HostState, _run_here, parse_state, read_states
from mrunkit.provision.lab import read_lab
from mrunkit.ssh import Completed, SshError

TOLD = """\
Last login: by a chatty .bashrc
os=Debian GNU/Linux 12 (bookworm)
kernel=6.1.0-18-amd64
cpus=8
memory=32101
disk=72089
mpich=4.0.2
share=192.0.2.10:/share
share_here=yes
docker=20.10.24+dfsg1
swarm=active manager
image=sha256:e87817e92f41
mesos-master=active
mesos-agent=failed
end=yes
"""


class ToldRemote:
    """A host that tells what it was given to tell; implements Remote."""

    def __init__(self, told: str) -> None:
        self._told = told

    def run(self, command: str, feed: Iterable[bytes] = (), *, patience: float = 0) -> Completed:
        """Tell it."""
        return Completed(status=0, stdout=self._told, stderr="")

    def close(self) -> None:
        """There is nothing to close."""


def completed(stdout: str, stderr: str = "") -> Completed:
    """A script that has ended."""
    return Completed(status=0, stdout=stdout, stderr=stderr)


def test_all_that_a_host_tells_is_read() -> None:
    """Whatever its login prints besides."""
    assert parse_state("host0", completed(TOLD)) == HostState(
        name="host0",
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0-18-amd64",
        cpus=8,
        memory_mb=32101,
        disk_free_mb=72089,
        mpich="4.0.2",
        share="192.0.2.10:/share",
        docker="20.10.24+dfsg1",
        swarm="active manager",
        image="sha256:e87817e92f41",
        services=(("mesos-master", "active"), ("mesos-agent", "failed")),
    )


def test_what_a_bare_host_has_not_is_not_known() -> None:
    """A directory that is no mount is the host's own."""
    assert parse_state("host0", completed("cpus=2\nshare_here=yes\nend=yes\n")) == HostState(
        name="host0", cpus=2, share="local"
    )


def test_a_shell_that_refuses_is_an_error() -> None:
    """With its last word."""
    with pytest.raises(SshError, match="This account is currently not available"):
        parse_state("host0", completed("", "motd\nThis account is currently not available.\n"))


def test_a_shell_here_that_hangs_is_an_error() -> None:
    """As one over ssh is."""
    with pytest.raises(SshError, match=r"no answer within 0\.1 s"):
        _run_here(("sh", "-s"), b"exec sleep 5\n", patience=0.1)


def test_a_host_that_cannot_be_reached_is_a_line(tmp_path: Path) -> None:
    """The others tell all the same, and this machine is asked without ssh."""
    inventory = tmp_path / "inventory.ini"
    inventory.write_text("[masters]\na\n[agents]\nb\nhere ansible_connection=local\n")

    @contextlib.contextmanager
    def connect(host: Host) -> Iterator[ToldRemote]:
        if host.name != "a":
            raise SshError("no route", remedy="lay a cable")
        yield ToldRemote(TOLD)

    told: list[HostState] = []
    a, b, here = read_states(read_lab(inventory), connect=connect, tell=told.append)
    assert sorted(told, key=lambda state: state.name) == [a, b, here]
    assert (a.name, a.os) == ("a", "Debian GNU/Linux 12 (bookworm)")
    assert b == HostState(name="b", error="no route", remedy="lay a cable")
    assert (here.error, here.cpus is not None, here.kernel is not None) == (None, True, True)
