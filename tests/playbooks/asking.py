"""Asking a lab's Mesos, as `mrunkit run` would."""

from __future__ import annotations

from container_hosts import LabHosts

from mrunkit.mesos.address import HostPort
from mrunkit.mesos.operator import Credentials, Operator


def secret(hosts: LabHosts) -> str:
    """Mesos' secret of who runs jobs."""
    return (hosts.directory / ".mrunkit/mesos-secret").read_text().strip()


def operator(hosts: LabHosts) -> Operator:
    """The first master's answers."""
    return Operator(
        master=HostPort(host=hosts.addresses["host0"], port=5050),
        credentials=Credentials(principal="mrunkit", secret=secret(hosts)),
    )
