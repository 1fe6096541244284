"""mrunkit with `--image`, and the containers of its jobs as the engine shows them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client import Client, Ended, Mrunkit
from leftovers import descendants, until

if TYPE_CHECKING:
    from docker_fixtures import Run

OVERLAY = "mpi-network"
OVERLAY_SUBNET = "10.0.9.0/24"

ESTABLISHED = "01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An established TCP connection, as one end sees it."""

    local: str
    remote: str


@dataclass(kw_only=True)
class ContainerRuns(Mrunkit):
    """Runs jobs in containers of one image, with the programs that were compiled for it."""

    image: str
    programs: Path
    docker: Run

    def start_in(self, *words: str, **options: Any) -> Client:
        """Start `mrunkit run --image IMAGE WORDS`, with its events in a file."""
        return self.start_run("--image", self.image, *words, **options)

    def run_in(self, *words: str, **options: Any) -> Ended:
        """`mrunkit run --image IMAGE WORDS` to its end."""
        return self.start_in(*words, **options).wait()

    def program(self, name: str) -> str:
        """Where a compiled program is."""
        return str(self.programs / name)

    def containers(self) -> list[str]:
        """The ids of all containers of clients that this test has started."""
        words = ("ps", "-a", "--no-trunc", "--filter", "label=mrunkit.client")
        listed = self.docker(*words, "--format", '{{.ID}} {{.Label "mrunkit.client"}}').stdout
        pids = {str(client.pid) for client in self.clients}
        # Other tests may have containers whose label names nobody.
        found = (line.partition(" ") for line in listed.splitlines())
        return [it for it, _, owner in found if owner.partition("/")[2].partition("/")[0] in pids]

    def described(self, role: str = "task") -> list[dict[str, Any]]:
        """What `docker inspect` says of the containers that have a role."""
        described = json.loads(self.docker("inspect", *self.containers()).stdout)
        return [it for it in described if it["Config"]["Labels"]["mrunkit.role"] == role]

    def until_nothing_is_left(self, before: Collection[int], patience: float) -> None:
        """Wait until the clients' containers, processes and files are gone."""

        def left() -> list[object]:
            processes = [it for pid, it in descendants().items() if pid not in before]
            return [*self.containers(), *processes, *self.tmp.iterdir()]

        try:
            until(lambda: not left(), "nothing left", patience=patience)
        except AssertionError as error:
            raise AssertionError(f"after {patience:g} s left: {left()}") from error

    def remove_containers(self) -> None:
        """For the sake of the next test."""
        if containers := self.containers():
            self.docker("rm", "-f", *containers, check=False)


def connections(pid: int) -> list[Connection]:
    """The established TCP connections in the network of a process."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return [
        Connection(local=_address(row[1]), remote=_address(row[2]))
        for row in rows
        if row[3] == ESTABLISHED
    ]


def _address(text: str) -> str:
    """From the kernel's form, which is hexadecimal in the machine's byte order."""
    return str(ipaddress.IPv4Address(bytes.fromhex(text.partition(":")[0])[::-1]))
