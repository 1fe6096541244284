"""What each host of a lab has and runs: one shell script per host, and what it tells."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from mrunkit.errors import MrunkitError
from mrunkit.in_threads import in_threads
from mrunkit.inventory import Host
from mrunkit.provision.lab import Lab, LabHost
from mrunkit.ssh import Completed, Remote, SshError

PARALLEL = 32
"""Hosts that are asked at the same time."""
ANSWER_SECONDS = 30.0
"""A host tells all in one; a Docker that hangs lets it wait for ever."""
UNITS = ("mesos-master", "mesos-agent", "mesos-slave", "zookeeper")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """A host as it was seen; None is what it has not, or would tell root only."""

    name: str
    error: str | None = None
    """Why nothing is known of it."""
    remedy: str | None = None
    os: str | None = None
    kernel: str | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    disk_free_mb: int | None = None
    mpich: str | None = None
    share: str | None = None
    """What is mounted there; `local` if it is the host's own directory."""
    docker: str | None = None
    swarm: str | None = None
    """Docker's word: active, inactive, pending; and `manager`, if it is one."""
    image: str | None = None
    """The id of the lab's image."""
    services: tuple[tuple[str, str], ...] = ()
    """Those of Mesos that are there, with systemd's word: active, failed..."""

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "services": dict(self.services)}


def read_states(
    lab: Lab,
    *,
    connect: Callable[[Host], AbstractContextManager[Remote]],
    tell: Callable[[HostState], None] = lambda state: None,
) -> list[HostState]:
    """Ask all hosts at once; one that cannot be reached says so in its state.

    `tell` gets each as soon as it is known, in a thread of its own.
    """
    script = resources.files("mrunkit.provision").joinpath("hosts.sh").read_bytes()
    remotes: list[Remote] = []

    def one(host: LabHost) -> HostState:
        state = ask(host)
        tell(state)
        return state

    def ask(host: LabHost) -> HostState:
        mpich = host.role_variable("mpich_prefix")
        words = ("sh", "-s", "--", lab.settings.share, lab.settings.image or "", mpich)
        try:
            if host.ssh.is_here:
                return parse_state(host.name, _run_here(words, script))
            with connect(host.ssh) as remote:
                remotes.append(remote)
                return parse_state(
                    host.name, remote.run(shlex.join(words), [script], patience=ANSWER_SECONDS)
                )
        except MrunkitError as error:
            return HostState(name=host.name, error=str(error), remedy=error.remedy)

    def stop() -> None:
        for remote in remotes:
            remote.close()

    return in_threads(one, lab.hosts, at_a_time=PARALLEL, interrupt=stop)


def _run_here(
    words: Sequence[str], script: bytes, *, patience: float = ANSWER_SECONDS
) -> Completed:
    try:
        ended = subprocess.run(
            words, input=script, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SshError(
            f"no answer within {patience:g} s",
            remedy="see what hangs here: Docker, or a file system",
        ) from error
    return Completed(
        status=ended.returncode,
        stdout=ended.stdout.decode(errors="replace"),
        stderr=ended.stderr.decode(errors="replace"),
    )


def parse_state(name: str, told: Completed) -> HostState:
    """Parse what hosts.sh prints; raises SshError if it did not come to its end."""
    lines = (line.partition("=") for line in told.stdout.splitlines())
    values = {key: value for key, _, value in lines}
    if "end" not in values:
        said = told.stderr.strip().rpartition("\n")[2] or told.stdout.strip()
        raise SshError(f"its shell does not do what it is told: {said}")
    return HostState(
        name=name,
        os=values.get("os"),
        kernel=values.get("kernel"),
        cpus=_number(values.get("cpus")),
        memory_mb=_number(values.get("memory")),
        disk_free_mb=_number(values.get("disk")),
        mpich=values.get("mpich"),
        share=values.get("share") or ("local" if "share_here" in values else None),
        docker=values.get("docker"),
        swarm=values.get("swarm"),
        image=values.get("image"),
        services=tuple((unit, values[unit]) for unit in UNITS if unit in values),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
