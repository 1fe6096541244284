"""How jobs end: by themselves, by what befalls their tasks, by a signal."""

from __future__ import annotations

import pytest
from job_steps import FAILED, Job, ended, kinds, offers

from mrunkit.errors import ExitStatus
from mrunkit.scheduler.commands import DeclineOffers, EndMpi, KillTask, TearDown
from mrunkit.scheduler.ending import DRAIN_SECONDS, NATURAL_END_SECONDS
from mrunkit.scheduler.events import (
    AgentLost,
    Cancelled,
    MasterLost,
    MpiExited,
    ProxiesAttached,
    TaskState,
    TaskUpdated,
    TimePassed,
)
from mrunkit.scheduler.gang import UNKNOWN_STATUS, Outcome, State
from mrunkit.scheduler.job import BAD_EXIT_SECONDS
from mrunkit.scheduler.running import VERDICT_SECONDS

# --- the end ---------------------------------------------------------------------------


def test_the_programs_exit_status_passes_through() -> None:
    """Tasks end by themselves then, and nothing is killed."""
    job = Job(nodes=2).running()
    assert job.send(MpiExited(exit_status=7)) == ()
    assert job.gang.state is State.DRAINING
    job.send(ended("j.0.0", TaskState.FINISHED), ended("j.1.0", TaskState.FAILED))
    assert job.gang.state is State.DONE
    assert job.gang.outcome == Outcome(exit_status=7)
    assert not job.gang.is_forced
    assert job.commands[-1] == TearDown()


def test_a_program_may_end_before_all_proxies_are_seen() -> None:
    """`hostname` is faster than the count of connections."""
    job = Job(nodes=2).connecting()
    job.send(MpiExited(exit_status=0))
    job.send(ended("j.0.0", TaskState.FINISHED), ended("j.1.0", TaskState.FINISHED))
    assert job.gang.outcome == Outcome(exit_status=0)


def test_tasks_that_do_not_end_by_themselves_are_killed() -> None:
    """A moment after mpiexec; and if that does not help, left to the tear-down."""
    job = Job(nodes=1).draining()
    assert job.wait(NATURAL_END_SECONDS - 0.1) == ()
    assert job.wait(0.1) == (KillTask(task_id="j.0.0", agent_id="S0"),)
    assert job.wait(DRAIN_SECONDS - NATURAL_END_SECONDS) == (TearDown(),)
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, True)


def test_the_time_limit_counts_from_the_start_of_mpi() -> None:
    """Waiting for resources is not the program's time."""
    job = Job(nodes=1, time_limit=5.0).subscribed()
    job.wait(100)
    job.connecting().send(ProxiesAttached(count=1))
    assert job.wait(4.9) == ()
    assert kinds(job.wait(0.2)) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=ExitStatus.TIME_LIMIT, message="ran longer than 5 s (--time-limit)"
    )


def test_mpiexec_has_a_moment_to_explain_a_dead_proxy() -> None:
    """If it ends in time, its exit status and message stand."""
    job = Job(nodes=2).running()
    assert job.send(ended("j.1.0", message="Command exited with status 9")) == ()
    assert job.wait(VERDICT_SECONDS * 0.9) == ()
    job.send(MpiExited(exit_status=9))
    assert job.gang.outcome == Outcome(exit_status=9)


def test_a_task_whose_end_is_understood_explains_mpiexecs_number() -> None:
    """Out of memory says more than signal 9, whichever of both comes first."""
    known = TaskUpdated(
        task_id="j.1.0",
        state=TaskState.FAILED,
        message="ran out of memory",
        source="SOURCE_EXECUTOR",
        remedy="give it more",
    )
    expected = Outcome(exit_status=9, message="host1: ran out of memory", remedy="give it more")
    before, after = Job(nodes=2).running(), Job(nodes=2).running()
    before.send(ended("j.0.0", message="Container exited with status 7"))
    before.send(known)
    before.send(MpiExited(exit_status=9, message="a rank was ended by signal 9"))
    after.send(MpiExited(exit_status=9, message="a rank was ended by signal 9"))
    after.send(known)
    assert before.gang.outcome == expected
    assert after.gang.outcome == expected


def test_a_host_that_is_not_replaced_takes_its_remedy_along() -> None:
    """What to do about it is worth as much when nothing was running yet."""
    job = Job(nodes=1, retries=0).launched()
    job.send(
        TaskUpdated(task_id="j.0.0", state=TaskState.FAILED, message="no image", remedy="pull it")
    )
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host0: no image", remedy="pull it"
    )


def test_a_mpiexec_that_does_not_notice_a_dead_proxy_is_ended() -> None:
    """It may hang for ever otherwise."""
    job = Job(nodes=2).running()
    job.send(ended("j.1.0", message="Command terminated with signal Killed"))
    assert kinds(job.wait(VERDICT_SECONDS)) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED,
        message="host1: Command terminated with signal Killed, and mpiexec did not notice",
    )


def test_mpiexec_alone_is_not_waited_for() -> None:
    """All tasks ended well, and it goes on."""
    job = Job(nodes=1).running()
    job.send(ended("j.0.0", TaskState.FINISHED))
    job.wait(VERDICT_SECONDS)
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="all tasks have ended, and mpiexec did not notice"
    )


def test_a_lost_agent_ends_the_job_at_once() -> None:
    """With the agent's name and the master's reason."""
    job = Job(nodes=2).running()
    assert kinds(job.send(AgentLost(agent_id="S1"))) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: the master has removed the agent"
    )


def test_a_lost_agent_explains_what_mpiexec_could_only_number() -> None:
    """mpiexec is faster than the master, and knows less."""
    job = Job(nodes=2).running()
    job.send(MpiExited(exit_status=255))
    job.send(
        ended(
            "j.1.0",
            TaskState.LOST,
            message="Agent host1 disconnected",
            reason="REASON_AGENT_DISCONNECTED",
            source="SOURCE_MASTER",
        )
    )
    assert job.gang.outcome == Outcome(
        exit_status=FAILED, message="host1: Agent host1 disconnected (agent disconnected)"
    )


@pytest.mark.parametrize(
    "said", ["Command terminated with signal Killed", "Command exited with status 137"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_killed_proxy_explains_what_mpiexec_could_only_guess(
    said: str, *, is_first: bool
) -> None:
    """Whichever comes first; the others end with mpiexec, and are not to blame."""
    job = Job(nodes=3).running()
    events = [
        ended("j.1.0", message=said),
        MpiExited(exit_status=FAILED, message="a node's proxy ended before its ranks did"),
    ]
    job.send(*events if is_first else reversed(events))
    job.send(ended("j.2.0", message="Command exited with status 7"))
    assert job.gang.outcome == Outcome(exit_status=FAILED, message=f"host1: {said}")


def test_a_task_that_ends_with_mpiexec_explains_nothing() -> None:
    """It is a consequence."""
    job = Job(nodes=2).running()
    job.send(MpiExited(exit_status=FAILED, message="no working directory"))
    job.send(ended("j.1.0", message="Command exited with status 7"))
    assert job.gang.outcome == Outcome(exit_status=FAILED, message="no working directory")


def failed_rank(status: int = 3) -> TaskUpdated:
    """All ranks on host0 have ended, and not all of them well."""
    return ended("j.0.0", TaskState.FINISHED, failed_rank=status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            3,
            Outcome(
                exit_status=3, message="host0: a rank ended with status 3, without MPI_Finalize"
            ),
        ),
        (0, Outcome(exit_status=UNKNOWN_STATUS, message="host0: a rank ended badly")),
    ],
)
def test_a_failed_rank_is_no_success_though_mpiexec_says_so(status: int, expected: Outcome) -> None:
    """Whichever of both is told first."""
    failed, well = failed_rank(status), MpiExited(exit_status=0)
    for events in ([failed, well], [well, failed]):
        job = Job(nodes=2).running()
        job.send(*events)
        assert job.gang.outcome == expected


def test_mpiexec_knows_best_how_a_rank_failed() -> None:
    """Its status and words stand; where it has none, the task's do, before and after it."""
    told, number = MpiExited(exit_status=5, message="killed"), MpiExited(exit_status=7)
    for events in ([failed_rank(), told], [told, failed_rank()]):
        job = Job(nodes=2).running()
        job.send(*events)
        assert job.gang.outcome == Outcome(exit_status=5, message="killed")
    for events in ([failed_rank(), number], [number, failed_rank()]):
        job = Job(nodes=2).running()
        job.send(*events)
        assert job.gang.outcome == Outcome(
            exit_status=7, message="host0: a rank ended with status 3, without MPI_Finalize"
        )


def test_a_rank_whose_status_is_told_is_to_blame() -> None:
    """Those that were ended with it say less, and may be told of before it."""
    ended_too = ended("j.1.0", TaskState.FINISHED, failed_rank=0)
    number = MpiExited(exit_status=3)
    for events in (
        [ended_too, failed_rank(), number],
        [ended_too, number, failed_rank()],
        [number, ended_too, failed_rank()],
        [failed_rank(), ended_too, number],
    ):
        job = Job(nodes=2).running()
        job.send(*events)
        assert job.gang.outcome == Outcome(
            exit_status=3, message="host0: a rank ended with status 3, without MPI_Finalize"
        )


def test_a_failed_rank_ends_the_others_after_a_moment() -> None:
    """They wait for it in MPI, and no mpiexec ends them."""
    job = Job(nodes=2).running()
    job.send(failed_rank())
    assert job.wait(BAD_EXIT_SECONDS * 0.9) == ()
    assert kinds(job.wait(BAD_EXIT_SECONDS * 0.2)) == [KillTask, EndMpi]
    assert job.gang.outcome == Outcome(
        exit_status=3,
        message="host0: a rank ended with status 3, without MPI_Finalize, "
        f"and the others did not end within {BAD_EXIT_SECONDS} s",
    )


def test_a_second_failed_rank_does_not_put_off_the_end() -> None:
    """The moment is counted from the first."""
    job = Job(nodes=3).running()
    job.send(ended("j.1.0", TaskState.FINISHED, failed_rank=0))
    assert job.wait(BAD_EXIT_SECONDS * 0.7) == ()
    job.send(failed_rank())
    assert kinds(job.wait(BAD_EXIT_SECONDS * 0.4)) == [KillTask, EndMpi]
    assert job.gang.outcome is not None
    assert job.gang.outcome.exit_status == 3


def test_a_failed_rank_leaves_the_others_alone_if_told_so() -> None:
    """As long as they like; it is no success all the same."""
    job = Job(nodes=2, kill_on_bad_exit=False).running()
    job.send(failed_rank())
    assert job.wait(BAD_EXIT_SECONDS * 10) == ()
    job.send(MpiExited(exit_status=0))
    assert job.gang.outcome is not None
    assert job.gang.outcome.exit_status == 3


def test_a_success_needs_no_explanation() -> None:
    """An agent that is lost after a good end does not spoil it."""
    job = Job(nodes=1).draining()
    job.send(AgentLost(agent_id="S0"))
    assert job.gang.outcome == Outcome(exit_status=0)


# --- signals ---------------------------------------------------------------------------


def interrupt() -> Cancelled:
    """Ctrl-C."""
    return Cancelled(exit_status=ExitStatus.INTERRUPTED, message="interrupted")


def test_ctrl_c_while_collecting_ends_at_once() -> None:
    """Nothing was launched; what is held goes back."""
    job = Job(nodes=2).subscribed()
    job.send(offers(0))
    assert kinds(job.send(interrupt())) == [DeclineOffers, TearDown]
    assert job.gang.outcome == Outcome(exit_status=130, message="interrupted")


def test_ctrl_c_ends_ranks_and_tasks_and_waits_for_them() -> None:
    """Done is said when all is seen to have ended."""
    job = Job(nodes=1).running()
    assert kinds(job.send(interrupt())) == [KillTask, EndMpi]
    job.send(ended("j.0.0", TaskState.KILLED))
    assert job.gang.state is State.DRAINING
    assert job.send(MpiExited(exit_status=143)) == (TearDown(),)
    assert job.gang.outcome == Outcome(exit_status=130, message="interrupted")
    assert not job.gang.is_forced


def test_a_second_ctrl_c_does_not_wait() -> None:
    """mpiexec is killed without grace, and the master ends the tasks."""
    job = Job(nodes=1).running()
    job.send(interrupt())
    assert job.send(interrupt()) == (EndMpi(grace=0.0), TearDown())
    assert (job.gang.state, job.gang.is_forced) == (State.DONE, True)


def test_nothing_happens_to_a_gang_that_is_done() -> None:
    """Late events are no news."""
    job = Job(nodes=1).subscribed()
    job.send(interrupt())
    assert job.send(offers(0), interrupt(), MasterLost(message="gone"), TimePassed()) == ()
