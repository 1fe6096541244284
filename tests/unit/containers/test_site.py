"""What a job in containers says of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mrunkit.containers.options import ContainerOptions
from mrunkit.containers.site import ContainerSite
from mrunkit.process_identity import ProcessIdentity
from mrunkit.scheduler.events import TaskState, TaskUpdated
from mrunkit.scheduler.job import JobSpec, MpiOptions, Program
from mrunkit.scheduler.resources import Demand


@pytest.fixture
def site() -> ContainerSite:
    """A site before anything was prepared."""
    return ContainerSite(
        JobSpec(job_id="j", nodes=1, procs=1, rank=Demand(cpus=1.0)),
        MpiOptions(program=Program(words=("/share/hello",))),
        ContainerOptions(image="mpi", user="1:1", shm_size="64m"),
        client=ProcessIdentity(hostname="here", pid=1, started=1),
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "a rank on 10.0.9.4 was ended by signal 7 (Bus error)",
            "/dev/shm may be too small: give it more than --shm-size 64m",
        ),
        ("a rank on 10.0.9.4 was ended by signal 11 (Segmentation fault)", None),
        ("", None),
    ],
)
def test_a_bus_error_leads_to_shared_memory(
    site: ContainerSite, message: str, expected: str | None
) -> None:
    """It is what a full /dev/shm looks like to a rank."""
    assert site.advise(message) == expected


def test_only_the_end_of_a_task_is_explained(site: ContainerSite) -> None:
    """A running task's message stays as it is, whatever it holds."""
    words = "Container exited with status 137"
    running = TaskUpdated(task_id="j.0.0", state=TaskState.RUNNING, message=words)
    failed = TaskUpdated(task_id="j.0.0", state=TaskState.FAILED, message=words)
    killed = replace(failed, state=TaskState.KILLED, reason="REASON_AGENT_DRAINING")
    assert site.explain(running) == running
    assert site.explain(killed) == killed
    assert site.explain(failed).remedy is not None
