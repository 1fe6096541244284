"""Tasks of a gang before MPI starts: they call in, or their hosts are replaced. Pure."""

from __future__ import annotations

from .collecting import ask_again
from .commands import MpiHost, StartMpi
from .ending import fail_job, kill_tasks
from .events import ProxyComplained, ProxyConnected, ProxyLost
from .feasibility import find_obstacle
from .gang import Deadline, Gang, Mpi, State, Task
from .turn import Turn


def proxy_connected(turn: Turn, event: ProxyConnected) -> None:
    """Note that a task is ready; with the last one, MPI starts."""
    task = _waited_for(turn.gang, event.task_id)
    if task is None:
        return
    turn.change_task(task, proxy_address=event.address)
    if turn.gang.state is State.LAUNCHING and turn.gang.is_complete:
        hosts = tuple(
            MpiHost(task_id=task.task_id, address=task.proxy_address or "", ranks=task.ranks)
            for task in turn.gang.current_tasks
        )
        turn.do(StartMpi(hosts=hosts))
        turn.update(mpi=Mpi.STARTED)
        if turn.gang.spec.time_limit is not None:
            turn.set_deadline(Deadline.TIME_LIMIT, turn.gang.spec.time_limit)
        turn.enter(State.CONNECTING)


def proxy_lost(turn: Turn, event: ProxyLost) -> None:
    """It may call again, or its end is reported by its agent; the start timeout watches."""
    task = _waited_for(turn.gang, event.task_id)
    if task is not None:
        turn.change_task(task, proxy_address=None)


def proxy_complained(turn: Turn, event: ProxyComplained) -> None:
    """Replace a host that says that it cannot take part."""
    task = _waited_for(turn.gang, event.task_id)
    if task is not None:
        lose_host(turn, task, event.reason)


def _waited_for(gang: Gang, task_id: str) -> Task | None:
    """The task, if it fills a slot of a gang whose MPI has not started."""
    is_waiting = gang.state in (State.COLLECTING, State.LAUNCHING) and task_id in gang.slots
    return gang.tasks[task_id] if is_waiting else None


def lose_host(
    turn: Turn, task: Task, why: str, *, remedy: str | None = None, is_to_blame: bool = True
) -> None:
    """Replace a host that failed before MPI, if there are retries and agents left."""
    if task.is_alive:
        kill_tasks(turn, (task,))
    failure = f"{task.hostname}: {why}"
    slots = turn.gang.slots
    turn.update(slots=(*slots[: task.slot], None, *slots[task.slot + 1 :]))
    if is_to_blame:
        if not turn.gang.retries_left:
            after = f" (after {turn.gang.spec.retries} replaced)" if turn.gang.spec.retries else ""
            fail_job(turn, failure + after, remedy)
            return
        turn.update(
            failed_agents=turn.gang.failed_agents | {task.agent_id},
            retries_left=turn.gang.retries_left - 1,
        )
        if not _has_replacement(turn.gang):
            fail_job(turn, f"{failure}; no other agent could take its place", remedy)
            return
    turn.update(failures=(*turn.gang.failures, failure))
    if turn.gang.state is State.LAUNCHING:
        turn.enter(State.COLLECTING)
    turn.update(slots_offered=len(turn.gang.current_tasks))
    ask_again(turn)


def _has_replacement(gang: Gang) -> bool:
    if gang.capacity is None:
        return True
    left = [agent for agent in gang.capacity if agent.agent_id not in gang.failed_agents]
    return find_obstacle(gang.spec, left) is None
