"""What a gang does when something has taken too long. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mrunkit.errors import ExitStatus

from .collecting import ask_again, decline_overdue
from .ending import end_job, fail_job, kill_tasks, leave_at_once
from .events import TaskState, TimePassed
from .gang import RECONNECT_SECONDS, Deadline, Outcome, State
from .job import BAD_EXIT_SECONDS
from .launching import lose_host
from .turn import Turn


def time_passed(turn: Turn, _: TimePassed) -> None:
    """Do what is due, the earliest first."""
    decline_overdue(turn)
    due = sorted(
        (at, deadline.value) for deadline, at in turn.gang.deadlines.items() if at <= turn.now
    )
    for _at, value in due:
        deadline = Deadline(value)
        # An earlier one may have ended the job, and with it the others.
        if deadline in turn.gang.deadlines:
            turn.clear_deadlines(deadline)
            _ON_DEADLINE[deadline](turn)


def _master_overdue(turn: Turn) -> None:
    if turn.gang.state is State.COLLECTING:
        fail_job(turn, f"no master for {RECONNECT_SECONDS:g} s")


def _resources_overdue(turn: Turn) -> None:
    spec, gang = turn.gang.spec, turn.gang
    when = f"within {spec.wait:g} s" if spec.wait and not spec.dry_run else "now"
    fail_job(
        turn,
        f"only {gang.slots_offered} of {spec.nodes} nodes with room were offered {when}",
        remedy="give it time with --wait, or ask for less",
    )


def _start_overdue(turn: Turn) -> None:
    gang = turn.gang
    limit = f"{gang.spec.start_timeout:g} s (--start-timeout)"
    if gang.state is State.COLLECTING:
        fail_job(turn, f"no agent to replace {len(gang.open_slots)} failed hosts within {limit}")
    elif gang.state is State.CONNECTING:
        fail_job(
            turn,
            f"only {gang.attached} of {gang.spec.nodes} proxies reached mpiexec within {limit}",
            remedy="a firewall between the hosts and this one is the usual cause",
        )
    else:
        _replace_late_hosts(turn, limit)


def _replace_late_hosts(turn: Turn, limit: str) -> None:
    """Replace the hosts whose tasks have not called back, unless that ends the job."""
    late = [task for task in turn.gang.current_tasks if task.proxy_address is None]
    for task in late:
        if turn.gang.outcome is not None:
            return
        hint = f"its task is {task.state.value}"
        if task.state is TaskState.RUNNING:
            hint = "its task runs: can the host reach this one (--advertise)?"
        lose_host(turn, task, f"did not call back within {limit}; {hint}")
    if turn.gang.state is State.COLLECTING:
        turn.set_deadline(Deadline.START, turn.gang.spec.start_timeout)


def _time_limit_overdue(turn: Turn) -> None:
    limit = turn.gang.spec.time_limit
    message = f"ran longer than {limit:g} s (--time-limit)"
    end_job(turn, Outcome(exit_status=ExitStatus.TIME_LIMIT, message=message))


def _verdict_overdue(turn: Turn) -> None:
    first = turn.gang.ended_first
    ended = first.message if first is not None else "all tasks have ended"
    fail_job(
        turn, f"{ended}, and mpiexec did not notice", first.remedy if first is not None else None
    )


def _bad_exit_overdue(turn: Turn) -> None:
    failed = turn.gang.failed_rank
    assert failed is not None, "it is what sets the deadline"
    outcome = failed.outcome
    message = f"{outcome.message}, and the others did not end within {BAD_EXIT_SECONDS} s"
    end_job(turn, replace(outcome, message=message))


def _kill_overdue(turn: Turn) -> None:
    kill_tasks(turn, turn.gang.alive_tasks)


_ON_DEADLINE: dict[Deadline, Callable[[Turn], None]] = {
    Deadline.MASTER: _master_overdue,
    Deadline.RESOURCES: _resources_overdue,
    Deadline.RETRY: ask_again,
    Deadline.START: _start_overdue,
    Deadline.TIME_LIMIT: _time_limit_overdue,
    Deadline.VERDICT: _verdict_overdue,
    Deadline.BAD_EXIT: _bad_exit_overdue,
    Deadline.KILL: _kill_overdue,
    Deadline.DRAIN: leave_at_once,
}
