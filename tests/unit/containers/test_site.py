"""What a job in containers says of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mrunkit.containers.options import ContainerOptions
from mrunkit.containers.site import ContainerSite
from mrunkit.hydra.verdict import Verdict
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


UCX_SAID = "[1.2] [vm:17 :0]  mm_iface.c:810  UCX  ERROR mm_iface failed to allocate receive FIFO\n"
MORE = "give it more than --shm-size 64m"


@pytest.mark.parametrize(
    ("judged", "said", "expected"),
    [
        (
            Verdict(exit_status=7, message="a rank on h was ended by signal 7 (Bus error)"),
            "",
            ("a rank on h was ended by signal 7 (Bus error)", f"/dev/shm may be too small: {MORE}"),
        ),
        (Verdict(exit_status=15), UCX_SAID, ("/dev/shm of a container is too small", MORE)),
        (Verdict(exit_status=0), UCX_SAID, ("", None)),
        (Verdict(exit_status=15), "UCX  ERROR connection reset\n", ("", None)),
        (
            Verdict(exit_status=11, message="a rank on h was ended by signal 11 (Segfault)"),
            "",
            ("a rank on h was ended by signal 11 (Segfault)", None),
        ),
    ],
    ids=["bus error", "ucx", "ucx, but all is well", "another error of ucx", "another signal"],
)
def test_a_full_shared_memory_is_told_as_such(
    site: ContainerSite, judged: Verdict, said: str, expected: tuple[str, str | None]
) -> None:
    """By UCX' words or the signal that a rank gets which writes to it."""
    explained = site.explain_end(judged, said)
    assert (explained.message, explained.remedy) == expected
    assert explained.exit_status == judged.exit_status


def test_only_the_end_of_a_task_is_explained(site: ContainerSite) -> None:
    """A running task's message stays as it is, whatever it holds."""
    words = "Container exited with status 137"
    running = TaskUpdated(task_id="j.0.0", state=TaskState.RUNNING, message=words)
    failed = TaskUpdated(task_id="j.0.0", state=TaskState.FAILED, message=words)
    killed = replace(failed, state=TaskState.KILLED, reason="REASON_AGENT_DRAINING")
    assert site.explain(running) == running
    assert site.explain(killed) == killed
    assert site.explain(failed).remedy is not None
