"""The master that goes and comes, and the table of the gang's states."""

from __future__ import annotations

import pytest
from job_steps import FAILED, Job, kinds, offers

from mrunkit.scheduler.commands import EndMpi, KillTask, ReconcileTasks
from mrunkit.scheduler.events import MasterErred, MasterLost, MpiExited, Subscribed
from mrunkit.scheduler.gang import (
    RECONNECT_SECONDS,
    TRANSITIONS,
    Deadline,
    Outcome,
    State,
    UnlistedTransitionError,
)
from mrunkit.scheduler.turn import Turn

# --- the master ------------------------------------------------------------------------


def test_a_master_lost_before_the_launch_is_waited_for() -> None:
    """Its offers are gone with it; new ones come with the next subscription."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0), MasterLost(message="connection reset"))
    assert (job.gang.held, job.gang.is_connected) == ({}, False)
    job.wait(RECONNECT_SECONDS / 2)
    job.send(Subscribed(framework_id="f", master="m2:5050", again=True))
    job.wait(RECONNECT_SECONDS)
    assert job.gang.state is State.COLLECTING


@pytest.mark.parametrize("retry", [1.0, 20.0])
def test_a_master_that_stays_away_is_not_waited_for(retry: float) -> None:
    """However often the driver tries in vain."""
    job = Job(nodes=2).subscribed()
    for _ in range(round(RECONNECT_SECONDS / retry) + 1):
        job.send(MasterLost(message="connection refused"))
        job.wait(retry)
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="no master for 60 s")


def test_a_master_lost_after_the_launch_ends_the_job() -> None:
    """It has ended the tasks already, as the framework's failover timeout is 0."""
    job = Job(nodes=1).running()
    assert kinds(job.send(MasterLost(message="no heartbeat"))) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="lost the master: no heartbeat")


def test_back_at_the_master_it_is_asked_what_became_of_the_tasks() -> None:
    """And told again to end them."""
    job = Job(nodes=1).running()
    job.send(MasterLost(message="no heartbeat"))
    assert job.send(Subscribed(framework_id="f", master="m:5050", again=True)) == (
        ReconcileTasks(tasks=(("j.0.0", "S0"),)),
        KillTask(task_id="j.0.0", agent_id="S0"),
    )


def test_a_master_that_will_not_have_us_ends_the_job() -> None:
    """No task is left with it, so none is waited for; mpiexec is."""
    job = Job(nodes=1).running()
    commands = job.send(MasterErred(message="Framework has been removed"))
    assert kinds(commands) == [EndMpi]
    job.send(MpiExited(exit_status=143))
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, False)
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="Framework has been removed")


# --- the table -------------------------------------------------------------------------


def test_an_unlisted_transition_tells_the_jobs_history() -> None:
    """A fault of ours is to be found from its message."""
    turn = Turn(Job(nodes=1).running().gang, 1.0)
    with pytest.raises(UnlistedTransitionError) as raised:
        turn.enter(State.LAUNCHING)
    assert str(raised.value) == (
        "j: RUNNING -> LAUNCHING, after COLLECTING at 0.000, LAUNCHING at 0.000, "
        "CONNECTING at 0.000, RUNNING at 0.000"
    )


def test_every_state_has_a_way_to_the_end() -> None:
    """The table has no trap."""
    reaching = {State.DONE}
    for _ in State:
        reaching |= {state for state, after in TRANSITIONS.items() if after & reaching}
    assert reaching == set(State)


def test_only_the_end_has_no_deadline_while_something_is_ended() -> None:
    """Draining is always bounded."""
    assert Deadline.DRAIN in Job(nodes=1).draining().gang.deadlines
