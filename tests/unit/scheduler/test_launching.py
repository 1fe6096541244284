"""From the launch to the start of MPI, with hosts that fail on the way."""

from __future__ import annotations

import pytest
from job_steps import FAILED, Job, capacity, connected, ended, kinds, offer, offers

from mrunkit.scheduler.commands import (
    DeclineOffers,
    EndMpi,
    KillTask,
    LaunchTask,
    MpiHost,
    ReviveOffers,
    StartMpi,
    SuppressOffers,
    TearDown,
)
from mrunkit.scheduler.events import (
    MpiExited,
    OffersReceived,
    ProxiesAttached,
    ProxyComplained,
    ProxyLost,
    TaskState,
    TaskUpdated,
)
from mrunkit.scheduler.gang import Outcome, State

# --- the rendezvous --------------------------------------------------------------------


def test_mpi_starts_when_every_proxy_waits() -> None:
    """With the addresses from which they called, in the order of the slots."""
    job = Job(nodes=2, procs=3).launched()
    first, second = job.gang.current_tasks
    assert job.send(connected(second)) == ()
    assert job.send(connected(first)) == (
        StartMpi(
            hosts=(
                MpiHost(task_id="j.0.0", address="ip-S0", ranks=2),
                MpiHost(task_id="j.1.0", address="ip-S1", ranks=1),
            )
        ),
    )
    assert job.gang.state is State.CONNECTING


def test_a_proxy_that_hangs_up_is_waited_for_again() -> None:
    """MPI does not start over a connection that is gone."""
    job = Job(nodes=2).launched()
    first, second = job.gang.current_tasks
    job.send(connected(first), ProxyLost(task_id=first.task_id))
    assert job.send(connected(second)) == ()
    assert kinds(job.send(connected(first))) == [StartMpi]


# --- a host that fails before MPI ------------------------------------------------------


def test_a_failed_host_is_replaced() -> None:
    """On another agent, under another id, while the others go on waiting."""
    job = Job(nodes=2).launched()
    job.send(connected(job.gang.current_tasks[0]))
    assert job.send(ended("j.1.0", message="exit 1")) == (ReviveOffers(),)
    assert job.gang.state is State.COLLECTING
    (decline,) = job.send(offers(0, 1))
    assert isinstance(decline, DeclineOffers)
    assert decline.offer_ids == ("O0", "O1")  # one has a task, the other has failed
    launch, suppress = job.send(offers(2))
    assert isinstance(launch, LaunchTask)
    assert (launch.task_id, launch.hostname, launch.ranks) == ("j.1.1", "host2", 1)
    assert suppress == SuppressOffers()
    (start,) = job.send(connected(job.gang.current_tasks[1]))
    assert isinstance(start, StartMpi)
    assert [host.task_id for host in start.hosts] == ["j.0.0", "j.1.1"]


def test_a_proxy_that_complains_is_killed_and_replaced() -> None:
    """Its task is alive, and of no use."""
    job = Job(nodes=2).launched()
    commands = job.send(ProxyComplained(task_id="j.1.0", reason="no hydra_pmi_proxy"))
    assert commands == (KillTask(task_id="j.1.0", agent_id="S1"), ReviveOffers())


def test_the_end_of_a_replaced_task_means_nothing() -> None:
    """It may come late, when MPI runs on others already."""
    job = Job(nodes=1).launched()
    job.send(ProxyComplained(task_id="j.0.0", reason="no"), offers(1))
    job.send(connected(job.gang.current_tasks[0]), ProxiesAttached(count=1))
    job.send(ended("j.0.0", TaskState.KILLED))
    job.wait(60)
    assert job.gang.state is State.RUNNING


def test_a_replaced_task_is_still_waited_for() -> None:
    """Done means that nothing is left, of what failed as well."""
    job = Job(nodes=1).launched()
    job.send(ProxyComplained(task_id="j.0.0", reason="no"), offers(1))
    job.send(connected(job.gang.current_tasks[0]), MpiExited(exit_status=0))
    job.send(ended("j.0.1", TaskState.FINISHED))
    assert job.gang.state is State.DRAINING
    job.send(ended("j.0.0", TaskState.KILLED))
    assert job.gang.state is State.DONE


def test_retries_are_used_up() -> None:
    """Then the job ends with the last failure."""
    job = Job(nodes=1, retries=1).launched()
    job.send(ended("j.0.0", message="Command exited with status 1"), offers(1))
    commands = job.send(ended("j.0.1", message="Command exited with status 2"))
    assert commands == (TearDown(),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: Command exited with status 2 (after 1 replaced)"
    )


def test_a_host_without_a_replacement_ends_the_job() -> None:
    """If the cluster has no other agent, waiting for one makes no sense."""
    job = Job(nodes=2).subscribed()
    job.send(capacity(0, 1), offers(0, 1))
    commands = job.send(ended("j.1.0", message="exit 1"))
    assert commands == (KillTask(task_id="j.0.0", agent_id="S0"),)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: exit 1; no other agent could take its place"
    )


def test_an_invalid_offer_is_not_the_hosts_fault() -> None:
    """A rescission may cross the launch on its way; the same host may be used again."""
    job = Job(nodes=1, retries=0).launched()
    lost = ended("j.0.0", TaskState.LOST, reason="REASON_INVALID_OFFERS", source="SOURCE_MASTER")
    assert job.send(lost) == (ReviveOffers(),)
    (launch, _) = job.send(OffersReceived(offers=(offer(0, "again"),)))
    assert isinstance(launch, LaunchTask)
    assert (launch.task_id, launch.agent_id) == ("j.0.1", "S0")


# --- the start timeout -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (TaskState.STARTING, "its task is TASK_STARTING"),
        (TaskState.RUNNING, "its task runs: can the host reach this one (--advertise)?"),
    ],
)
def test_a_task_that_does_not_call_back_is_replaced(state: TaskState, why: str) -> None:
    """And if it cannot be, the message says how far it came."""
    job = Job(nodes=2, retries=1, start_timeout=10.0).launched()
    job.send(connected(job.gang.current_tasks[0]))
    job.send(TaskUpdated(task_id="j.1.0", state=state))
    commands = job.wait(10)
    assert commands == (KillTask(task_id="j.1.0", agent_id="S1"), ReviveOffers())
    job.send(offers(2), TaskUpdated(task_id="j.1.1", state=state))
    job.wait(10)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message=f"host2: did not call back within 10 s (--start-timeout); {why} (after 1 replaced)",
    )


def test_a_replacement_is_not_waited_for_for_ever() -> None:
    """The hosts that wait are not to be blocked by one that is missing."""
    job = Job(nodes=2, start_timeout=10.0).launched()
    job.send(ended("j.1.0"))
    job.wait(10)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="no agent to replace 1 failed hosts within 10 s (--start-timeout)",
    )


def test_proxies_that_cannot_reach_mpiexec_end_the_job() -> None:
    """The launch lines were answered, and too few connections came back."""
    job = Job(nodes=3, start_timeout=10.0).connecting()
    job.send(ProxiesAttached(count=1))
    commands = job.wait(10)
    assert kinds(commands) == [KillTask] * 3 + [EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="only 1 of 3 proxies reached mpiexec within 10 s (--start-timeout)",
        remedy="a firewall between the hosts and this one is the usual cause",
    )


def test_a_running_job_has_no_start_timeout() -> None:
    """Once all proxies are connected it may take its time."""
    job = Job(nodes=2, start_timeout=10.0).running()
    assert job.gang.next_deadline is None
    assert job.wait(10**6) == ()
    assert job.gang.state is State.RUNNING
