"""The options and arguments of `run`, as typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mrunkit.scheduler.job import Distribution, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options and arguments of `run`, as typed."""

    master: str
    program: tuple[str, ...]
    nodes: int
    procs: int | None
    cores: float
    mem: float
    name: str | None
    env: tuple[str, ...]
    workdir: str | None
    wait: float | None
    start_timeout: float
    time_limit: float | None
    retries: int
    policy: Policy
    hosts: tuple[str, ...]
    exclude: tuple[str, ...]
    constraints: tuple[str, ...]
    distribution: Distribution
    role: str
    principal: str | None
    secret_file: Path | None
    advertise: str | None
    mpiexec: str | None
    is_labelled: bool
    output_dir: Path | None
    events: Path | None
    is_dry_run: bool
    run_as: str | None = None
    kill_on_bad_exit: bool = True
    image: str | None = None
    network: str | None = None
    share: Path | None = None
    is_in_image: bool = False
    user: str | None = None
    volumes: tuple[str, ...] = ()
    shm_size: str | None = None
    gpus: str | None = None
    docker_parameters: tuple[str, ...] = ()

    @property
    def ranks(self) -> int:
        """-n, which is one rank per node unless it is given."""
        return self.nodes if self.procs is None else self.procs


def is_local(master: str) -> bool:
    """Whether MASTER asks for a cluster on this machine; `local:5050` is a host's name."""
    return re.fullmatch(r"local(:\d+x.*)?", master) is not None


def split_hosts(lists: Iterable[str]) -> list[str]:
    """The hosts of --hosts or --exclude, each of which may name several."""
    return [host.strip() for text in lists for host in text.split(",") if host.strip()]
