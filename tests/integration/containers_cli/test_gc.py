"""`mrunkit gc` finds what a crash left on a real engine, and nothing else."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from command import Mrunkit

from mrunkit.process_identity import started_at

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

HERE = socket.gethostname()
GONE = f"{HERE}/{os.getpid()}/1"
ALIVE = f"{HERE}/{os.getpid()}/{started_at(os.getpid())}"


@pytest.fixture
def job(engine: docker.DockerClient, small_image: str) -> Iterator[str]:
    """A job's id; what is labelled with it is gone after the test."""
    job_id = uuid.uuid4().hex
    yield job_id
    labelled = {"label": f"mrunkit.job={job_id}"}
    for container in engine.containers.list(all=True, filters=labelled):
        container.remove(force=True)
    for kind in (engine.networks, engine.volumes):
        for thing in kind.list(filters=labelled):
            thing.remove()


def make(engine: docker.DockerClient, image: str, job: str, client: str) -> list[tuple[str, str]]:
    """A container, a network and a volume of a job; returns their kinds and names."""
    labels = {"mrunkit.job": job, "mrunkit.client": client}
    name = f"mrunkit-test-{uuid.uuid4().hex[:8]}"
    engine.containers.create(image, ["never-started"], name=name, labels=labels)
    engine.networks.create(name, labels=labels, internal=True)
    engine.volumes.create(name, labels=labels)
    return [(kind, name) for kind in ("container", "network", "volume")]


def stage(share: Path, job: str, client: str) -> tuple[str, str]:
    """Staged files of a job."""
    directory = share / f".mrunkit-job-{job}"
    directory.mkdir(parents=True)
    (directory / ".client").write_text(f"{client}\n")
    (directory / "program").touch()
    return "files", str(directory)


def listed(printed: str, jobs: set[str]) -> list[tuple[str, str]]:
    """What `gc --json` lists of these jobs; other tests may have things of their own."""
    return [(entry["kind"], entry["name"]) for entry in json.loads(printed) if entry["job"] in jobs]


def test_what_a_dead_client_left_is_removed_and_what_a_live_one_has_stays(
    mrunkit: Mrunkit, engine: docker.DockerClient, small_image: str, job: str, tmp_path: Path
) -> None:
    """Containers, networks, volumes, files; listed first, then removed, then gone."""
    left = [*make(engine, small_image, job, GONE), stage(tmp_path, f"{job}-gone", GONE)]
    in_use = [*make(engine, small_image, job, ALIVE), stage(tmp_path, f"{job}-alive", ALIVE)]
    jobs = {job, f"{job}-gone", f"{job}-alive"}
    words = ("--share", str(tmp_path), "--json")

    dry = mrunkit("gc", "--dry-run", *words)
    assert (dry.returncode, listed(dry.stdout, jobs)) == (0, left)
    assert dry.stdout == mrunkit("gc", "--dry-run", *words).stdout
    table = mrunkit("gc", "--dry-run", "--share", str(tmp_path)).stdout
    assert f"container  {left[0][1]}" in table

    removed = mrunkit("gc", *words)
    assert (removed.returncode, listed(removed.stdout, jobs)) == (0, left)
    assert listed(mrunkit("gc", "--dry-run", *words).stdout, jobs) == []
    labelled = {"label": f"mrunkit.job={job}"}
    assert [c.name for c in engine.containers.list(all=True, filters=labelled)] == [in_use[0][1]]
    assert [n.name for n in engine.networks.list(filters=labelled)] == [in_use[1][1]]
    assert [v.name for v in engine.volumes.list(filters=labelled)] == [in_use[2][1]]
    assert [path.name for path in tmp_path.glob(".mrunkit*")] == [f".mrunkit-job-{job}-alive"]


def test_what_cannot_be_removed_is_said_and_the_rest_is_removed(
    mrunkit: Mrunkit, engine: docker.DockerClient, small_image: str, job: str, tmp_path: Path
) -> None:
    """A volume that a container of somebody else uses: exit status 125 at the end."""
    labels = {"mrunkit.job": job, "mrunkit.client": GONE}
    name = f"mrunkit-test-{uuid.uuid4().hex[:8]}"
    engine.volumes.create(name, labels=labels)
    user = engine.containers.create(small_image, ["x"], volumes=[f"{name}:/data"])
    staged = stage(tmp_path, job, GONE)
    try:
        ended = mrunkit("gc", "--share", str(tmp_path), "--json")
        mine = {e["kind"]: e["error"] for e in json.loads(ended.stdout) if e["job"] == job}
    finally:
        user.remove()
    assert ended.returncode == 125
    assert (mine["files"], "volume is in use" in mine["volume"]) == (None, True)
    assert not Path(staged[1]).exists()
