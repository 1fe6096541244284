"""What jobs and local clusters left behind on this machine: finding it, and removing it.

A job removes its own things, and its guard does if the client is killed; a local cluster
removes all of its tasks. What is left comes of a crash of the machine, of Docker or of an
agent, or of a cluster that was killed with SIGKILL.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from mrunkit.containers.engine import explained, remove_container
from mrunkit.containers.options import CLIENT_LABEL, JOB_LABEL, STAGING_PREFIX
from mrunkit.containers.staging import cluster_directories, staging_directories
from mrunkit.errors import MrunkitError
from mrunkit.local.owner import OWNER_LABEL
from mrunkit.process_identity import ProcessIdentity

if TYPE_CHECKING:
    import docker

UNOWNED_SECONDS = 3600.0
"""A client writes down that staged files are its own right after it made their directory."""


class RemovalError(MrunkitError):
    """Something could not be removed."""


class Kind(Enum):
    """What can be left of a job."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"
    FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """One thing of a job, whether or not the job is over."""

    kind: Kind
    name: str
    """Of files: their directory."""
    job_id: str
    client: ProcessIdentity | None
    """Who asked for it."""
    cluster: ProcessIdentity | None = None
    """The local cluster that runs it; its tasks may be another framework's."""
    has_ended: bool = False
    """Of a container: it ran, and does not any more."""
    age: float = 0.0
    """Of files: seconds since they were staged."""


def is_leftover(belonging: Belonging, *, hostname: str) -> bool:
    """Whether nobody needs it any more, as far as this host can tell.

    A container that still runs for a client elsewhere is its agent's to end. One that has
    ended is of no use to anybody else: its output went through mpiexec. Files whose owner
    was never written down, as when the machine crashed, get a while to be young.
    """
    owners = [owner for owner in (belonging.client, belonging.cluster) if owner is not None]
    if any(owner.hostname == hostname for owner in owners):
        return any(owner.is_gone(hostname=hostname) for owner in owners)
    if belonging.kind is Kind.FILES:
        return not owners and belonging.age > UNOWNED_SECONDS
    return belonging.has_ended


def find_belongings(
    engine: docker.DockerClient | None, shares: Sequence[Path], *, now: float
) -> list[Belonging]:
    """All containers, networks, volumes and files of jobs and clusters on this machine.

    Containers come first: what they use can only be removed after them. `now` is in seconds since
    the epoch. Without an engine there may be files.
    """
    of_engine = [] if engine is None else _belongings_in(engine)
    return [*of_engine, *_files(shares, now=now)]


def _belongings_in(engine: docker.DockerClient) -> list[Belonging]:
    """What the engine has of them."""
    with explained(image="", network=""):
        labelled: dict[str, str | list[str] | bool] = {"label": JOB_LABEL}
        of_clusters: dict[str, str | list[str] | bool] = {"label": OWNER_LABEL}
        containers = {
            container.id: container
            for filters in (labelled, of_clusters)
            for container in engine.containers.list(all=True, filters=filters, ignore_removed=True)
        }
        found = [
            _belonging(Kind.CONTAINER, c.name, c.labels, has_ended=c.status in ("exited", "dead"))
            for c in containers.values()
        ]
        found += [
            _belonging(Kind.NETWORK, n.name, n.attrs["Labels"] or {})
            for n in engine.networks.list(filters=labelled)
        ]
        found += [
            _belonging(Kind.VOLUME, v.name, v.attrs["Labels"] or {})
            for v in engine.volumes.list(filters=labelled)
        ]
    return found


def _files(shares: Sequence[Path], *, now: float) -> list[Belonging]:
    """Directories of jobs and of clusters."""
    of_jobs = [
        Belonging(
            kind=Kind.FILES,
            name=str(staged.path),
            job_id=staged.path.name.removeprefix(STAGING_PREFIX),
            client=staged.client,
            age=now - staged.made,
        )
        for staged in staging_directories(shares)
    ]
    return of_jobs + [
        Belonging(
            kind=Kind.FILES,
            name=str(directory.path),
            job_id="",
            client=None,
            cluster=directory.client,
            age=now - directory.made,
        )
        for directory in cluster_directories()
    ]


def remove(engine: docker.DockerClient | None, belonging: Belonging) -> None:
    """Remove one thing; that it has gone meanwhile is as good. Raises RemovalError."""
    import docker.errors

    try:
        if belonging.kind is Kind.FILES:
            shutil.rmtree(belonging.name)
            return
        assert engine is not None, "it has told of this"
        if belonging.kind is Kind.CONTAINER:
            remove_container(engine.api, belonging.name)
        elif belonging.kind is Kind.NETWORK:
            engine.api.remove_network(belonging.name)
        else:
            engine.api.remove_volume(belonging.name, force=True)
    except (FileNotFoundError, docker.errors.NotFound):
        return
    except docker.errors.APIError as error:
        raise RemovalError(f"Docker says: {error.explanation or error}") from error
    except OSError as error:
        raise RemovalError(f"{error.filename}: {error.strerror}") from error


def _belonging(
    kind: Kind, name: str | None, labels: dict[str, str], *, has_ended: bool = False
) -> Belonging:
    return Belonging(
        kind=kind,
        name=name or "",
        job_id=labels.get(JOB_LABEL, ""),
        client=ProcessIdentity.parse(labels.get(CLIENT_LABEL, "")),
        cluster=ProcessIdentity.parse(labels.get(OWNER_LABEL, "")),
        has_ended=has_ended,
    )
