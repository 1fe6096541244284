"""Tasks and mpiexec of a gang as they go and end, and what that says of the job. Pure."""

from __future__ import annotations

from dataclasses import replace

from mrunkit.errors import ExitStatus

from .ending import end_job, fail_job, finish_if_drained, outcome_of
from .events import AgentLost, MpiExited, ProxiesAttached, TaskState, TaskUpdated
from .gang import Deadline, FailedRank, Mpi, Outcome, State, Task
from .job import BAD_EXIT_SECONDS
from .launching import lose_host
from .turn import Turn

VERDICT_SECONDS = 2.0
"""mpiexec notices the death of a proxy within milliseconds, or never."""

_KILLED = ("signal Killed", "status 137")
"""How Mesos tells of a task's shell, and that shell of hydra_pmi_proxy, that somebody has killed.
The proxies on other hosts end with a status of their own when mpiexec fails for it."""


def proxies_attached(turn: Turn, event: ProxiesAttached) -> None:
    """Note how far mpiexec is connected; with the last one, MPI runs."""
    if turn.gang.state is State.CONNECTING:
        turn.update(attached=event.count)
        _run_if_all_attached(turn)


def _run_if_all_attached(turn: Turn) -> None:
    gang = turn.gang
    # A proxy whose ranks end at once may have come and gone before anybody looked.
    finished = sum(task.state is TaskState.FINISHED for task in gang.current_tasks)
    if gang.state is State.CONNECTING and gang.attached + finished >= gang.spec.nodes:
        turn.clear_deadlines(Deadline.START)
        turn.enter(State.RUNNING)


def mpi_exited(turn: Turn, event: MpiExited) -> None:
    """Take mpiexec's own verdict, unless the job was being ended anyway."""
    turn.update(mpi=Mpi.ENDED)
    if turn.gang.state is State.DRAINING:
        finish_if_drained(turn)
        return
    outcome, first = outcome_of(event), turn.gang.ended_first
    if outcome.exit_status and first is not None and first.remedy is not None:
        # A task's end that is understood says more than mpiexec, which saw a connection close.
        outcome = replace(outcome, message=first.message, remedy=first.remedy)
    elif outcome.exit_status == ExitStatus.FAILED and first and _is_killed(first.message):
        outcome = replace(outcome, message=first.message)
    end_job(turn, _with_failed_rank(turn, outcome), is_natural=True)


def _with_failed_rank(turn: Turn, outcome: Outcome) -> Outcome:
    """A gang is no success of which a rank failed, whatever mpiexec says; often it is a number."""
    failed = turn.gang.failed_rank
    if failed is None:
        return outcome
    if outcome.exit_status == 0:
        return failed.outcome
    if outcome.message or not failed.status:
        return outcome
    return replace(outcome, message=failed.outcome.message)


def task_updated(turn: Turn, event: TaskUpdated) -> None:
    """Note a task's new state; its end may be the job's."""
    task = turn.gang.tasks.get(event.task_id)
    if task is None or not task.is_alive:
        return
    task = turn.change_task(task, state=event.state)
    if event.state.is_terminal:
        _task_ended(turn, task, event)


def _task_ended(turn: Turn, task: Task, event: TaskUpdated) -> None:
    # A task that was replaced has no part in the gang: its end is only waited for.
    is_current = task.task_id in turn.gang.slots
    if is_current:
        _note_failed_rank(turn, task, event)
    if turn.gang.state is State.DRAINING:
        if is_current:
            _explain_outcome(turn, task, event)
        finish_if_drained(turn)
    elif is_current and turn.gang.state in (State.COLLECTING, State.LAUNCHING):
        is_to_blame = event.reason != "REASON_INVALID_OFFERS"
        lose_host(turn, task, describe_end(event), remedy=event.remedy, is_to_blame=is_to_blame)
    elif is_current:
        _task_ended_under_mpi(turn, task, event)


def _note_failed_rank(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """Keep who told first; before mpiexec was started there were no ranks to tell of."""
    gang, status = turn.gang, event.failed_rank
    if status is None or gang.mpi is Mpi.NOT_STARTED:
        return
    # One that tells no status may have been ended with the others.
    if gang.failed_rank is not None and (gang.failed_rank.status or not status):
        return
    turn.update(failed_rank=FailedRank(hostname=task.hostname, status=status))
    if (
        gang.spec.kill_on_bad_exit
        and gang.mpi is Mpi.STARTED
        and gang.state is not State.DRAINING
        and Deadline.BAD_EXIT not in gang.deadlines
    ):
        turn.set_deadline(Deadline.BAD_EXIT, BAD_EXIT_SECONDS)


def _task_ended_under_mpi(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """mpiexec knows best why ranks ended, if it notices; it may also hang for ever."""
    gang = turn.gang
    if _is_lost(event):
        fail_job(turn, f"{task.hostname}: {describe_end(event)}", event.remedy)
    elif event.state is not TaskState.FINISHED:
        _note_bad_end(turn, task, event)
    elif Deadline.VERDICT not in gang.deadlines and not any(t.is_alive for t in gang.current_tasks):
        turn.set_deadline(Deadline.VERDICT, VERDICT_SECONDS)
    _run_if_all_attached(turn)


def _note_bad_end(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """Keep the first bad end, or the first that is understood: others follow from it."""
    first = turn.gang.ended_first
    if first is None:
        turn.set_deadline(Deadline.VERDICT, VERDICT_SECONDS)
    elif first.remedy is not None or event.remedy is None:
        return
    message = f"{task.hostname}: {describe_end(event)}"
    turn.update(
        ended_first=Outcome(exit_status=ExitStatus.FAILED, message=message, remedy=event.remedy)
    )


def _explain_outcome(turn: Turn, task: Task, event: TaskUpdated) -> None:
    """A task's end can explain a failure that mpiexec could only report as a number."""
    outcome = turn.gang.outcome
    if outcome is None:
        return
    outcome = _with_failed_rank(turn, outcome)
    turn.update(outcome=outcome)
    if not outcome.exit_status:
        return
    message = f"{task.hostname}: {describe_end(event)}"
    if event.remedy is not None:
        explained = replace(outcome, message=message, remedy=event.remedy)
        turn.update(outcome=explained)
        return
    # What mpiexec says of its own failure names no host; until KILL none of this is our doing.
    is_vague = outcome.exit_status == ExitStatus.FAILED and Deadline.KILL in turn.gang.deadlines
    explains = is_vague and event.state is TaskState.FAILED and _is_killed(event.message)
    if explains or (_is_lost(event) and (is_vague or not outcome.message)):
        turn.update(outcome=Outcome(exit_status=ExitStatus.FAILED, message=message))


def _is_lost(event: TaskUpdated) -> bool:
    """Whether the task ended by something else than its own process' end or our kill."""
    return event.state not in (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED) or (
        event.state is TaskState.FAILED and event.source not in ("SOURCE_EXECUTOR", "")
    )


def _is_killed(message: str) -> bool:
    return message.endswith(_KILLED)


def describe_end(event: TaskUpdated) -> str:
    """How a task ended, in words: the master's own, and the reason if there is one."""
    reason = event.reason.removeprefix("REASON_").replace("_", " ").lower()
    # One line: after "Memory limit exceeded" come pages of statistics.
    first_line = event.message.strip().partition("\n")[0].rstrip(". ")
    parts = [first_line, f"({reason})" if reason else ""]
    said = " ".join(part for part in parts if part)
    return said or event.state.value.removeprefix("TASK_").lower()


def agent_lost(turn: Turn, event: AgentLost) -> None:
    """Take all tasks of an agent that the master has removed for lost."""
    for task in turn.gang.alive_tasks:
        if task.agent_id == event.agent_id:
            update = TaskUpdated(
                task_id=task.task_id,
                state=TaskState.LOST,
                message="the master has removed the agent",
                source="SOURCE_MASTER",
            )
            task_updated(turn, update)
