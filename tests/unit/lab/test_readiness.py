"""What ends the waiting for hosts that do not get ready."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from labs import host

from mrunkit.containers.engine import EngineError
from mrunkit.lab.qemu_processes import free_port
from mrunkit.lab.readiness import HostFailedError, wait_until_ready
from mrunkit.lab.record import HostState


class Quiet:
    """Shows nothing."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Show nothing."""


class EndedHosts:
    """Hosts of which the first has ended."""

    def states(self) -> dict[str, HostState]:
        """As they are."""
        return {"host0": HostState.STOPPED, "host1": HostState.RUNNING}


class SilentEngine:
    """An engine that has stopped meanwhile."""

    def states(self) -> dict[str, HostState]:
        """Nothing is known of hosts."""
        raise EngineError("cannot connect to Docker")


@pytest.mark.parametrize(
    ("backend", "expected", "says"),
    [
        (EndedHosts(), HostFailedError, "host0 ended while it started"),
        (SilentEngine(), EngineError, "cannot connect to Docker"),
    ],
)
def test_what_ends_the_waiting_is_one_error(
    tmp_path: Path, backend: EndedHosts | SilentEngine, expected: type[Exception], says: str
) -> None:
    """Whether it is told of a host or in its place: not a group of errors, which nobody catches."""
    port = free_port()
    hosts = [replace(host(n), ssh_address="127.0.0.1", ssh_port=port) for n in range(2)]
    with pytest.raises(expected, match=says):
        wait_until_ready(hosts, tmp_path, backend.states, seconds=60.0, progress=Quiet())
