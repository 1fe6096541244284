"""What is said of a job, as text."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from mrunkit.errors import MrunkitError
from mrunkit.output import (
    JsonReporter,
    LineReporter,
    LiveReporter,
    SilentReporter,
    aligned,
    counted,
    describe_change,
    describe_error,
    describe_request,
    describe_result,
    describe_waiting,
    reporter,
)
from mrunkit.scheduler.events import TaskState
from mrunkit.scheduler.gang import Gang, State, Task, new_gang
from mrunkit.scheduler.job import JobSpec
from mrunkit.scheduler.resources import Demand

SPEC = JobSpec(job_id="j1", nodes=2, procs=3, rank=Demand(cpus=0.5, mem=128.0))
START = new_gang(SPEC, 0.0)
RESULT = {"exit_status": 0, "phases": [("offers", 0.5), ("MPI", 1.25)]}


def gang(state: State, *, tasks: int = 0, connected: int = 0, **changes: Any) -> Gang:
    """A gang with some tasks, of which some wait in the rendezvous."""
    made = [
        Task(
            task_id=f"j1.{slot}.0",
            slot=slot,
            ranks=1,
            agent_id=f"S{slot}",
            hostname=f"host{slot}",
            proxy_address="10.0.0.1" if slot < connected else None,
        )
        for slot in range(tasks)
    ]
    ids: list[str | None] = [task.task_id for task in made]
    return replace(
        START,
        state=state,
        tasks={task.task_id: task for task in made},
        slots=(*ids, *[None] * (SPEC.nodes - tasks)),
        **changes,
    )


@pytest.mark.parametrize(
    ("nodes", "procs", "expected"),
    [
        (
            2,
            3,
            "job j1: 3 ranks of ./hello on 2 nodes of host0:5050 (1 or 2 per node; "
            "0.5 cpus, 128 MB per rank)",
        ),
        (
            1,
            1,
            "job j1: 1 rank of ./hello on 1 node of host0:5050 (1 per node; "
            "0.5 cpus, 128 MB per rank)",
        ),
    ],
)
def test_a_request_is_told(nodes: int, procs: int, expected: str) -> None:
    """In one line, with the numbers that matter."""
    spec = replace(SPEC, nodes=nodes, procs=procs)
    assert describe_request(spec, "./hello", "host0:5050") == expected
    assert describe_request(spec, "./hel\nlo", "host0:5050") == expected.replace("hello", "hel lo")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (START, START, []),
        (START, replace(START, slots_offered=1), ["offers collected 1/2"]),
        (
            START,
            gang(State.LAUNCHING, tasks=2, slots_offered=2),
            ["offers collected 2/2: host0 host1"],
        ),
        (
            gang(State.LAUNCHING, tasks=2, connected=1),
            gang(State.CONNECTING, tasks=2, connected=2),
            ["proxies running 2/2"],
        ),
        (gang(State.CONNECTING, tasks=2), gang(State.RUNNING, tasks=2), ["MPI started"]),
        (
            gang(State.LAUNCHING, tasks=2),
            replace(gang(State.COLLECTING, tasks=2), failures=("host1: has no MPICH",)),
            ["host1: has no MPICH; replacing it"],
        ),
    ],
)
def test_what_has_been_reached_is_told(before: Gang, after: Gang, expected: list[str]) -> None:
    """A line per phase, and none for what is not worth one."""
    assert describe_change(before, after) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (START, "waiting for the master"),
        (replace(START, is_connected=True, slots_offered=1), "waiting for offers: 1/2"),
        (gang(State.LAUNCHING, tasks=2, connected=1), "waiting for proxies: 1/2"),
        (gang(State.CONNECTING, tasks=2), None),
        (gang(State.RUNNING, tasks=2), None),
    ],
)
def test_what_is_waited_for_is_told(now: Gang, expected: str | None) -> None:
    """Until MPI starts: after that the terminal is the program's."""
    assert describe_waiting(now) == expected


def test_a_result_is_told_with_its_times() -> None:
    """The sum, and each phase."""
    assert describe_result(RESULT) == "exit status 0 after 1.75 s (offers 0.50, MPI 1.25)"


def test_an_error_is_told_with_its_remedy() -> None:
    """What failed, and what to do about it."""
    assert describe_error(MrunkitError("it broke")) == "mrunkit: it broke"
    assert describe_error(MrunkitError("it broke", remedy="mend it")) == (
        "mrunkit: it broke\nmrunkit:   mend it"
    )


def test_one_is_singular() -> None:
    """1 rank, 2 ranks, 0 ranks."""
    assert [counted(count, "rank") for count in (0, 1, 2)] == ["0 ranks", "1 rank", "2 ranks"]


def test_lines_are_prefixed() -> None:
    """So that they can be told from the ranks'."""
    stream = io.StringIO()
    lines = LineReporter(stream)
    lines.asked(SPEC, "./hello", "m")
    lines.changed(START, replace(START, slots_offered=1))
    lines.ended(RESULT)
    told = stream.getvalue().splitlines()
    assert len(told) == 3
    assert all(line.startswith("mrunkit: ") for line in told)


def test_a_job_that_was_refused_has_no_times_worth_telling() -> None:
    """Its error says it all."""
    stream = io.StringIO()
    LineReporter(stream).ended({"exit_status": 125, "phases": [("offers", 0.01)]})
    assert stream.getvalue() == ""


def test_json_is_the_result_alone() -> None:
    """One line, whatever happened before."""
    stream = io.StringIO()
    result = JsonReporter(stream)
    result.asked(SPEC, "./hello", "m")
    result.changed(START, replace(START, slots_offered=1))
    result.note("by the way")
    result.ended({"exit_status": 7, "phases": []})
    assert json.loads(stream.getvalue()) == {"exit_status": 7, "phases": []}
    assert stream.getvalue().count("\n") == 1


def test_the_live_line_ends_before_mpi_starts() -> None:
    """It shows what is waited for, then the lines alone go on."""
    stream = io.StringIO()
    live = LiveReporter(stream)
    launching = gang(State.LAUNCHING, tasks=2, slots_offered=2)
    connecting = gang(State.CONNECTING, tasks=2, connected=2, slots_offered=2)
    live.changed(START, launching)
    live.changed(launching, connecting)
    live.ended(RESULT)
    assert live._status is None
    told = [line for line in stream.getvalue().splitlines() if line.startswith("mrunkit: ")]
    assert told == [
        "mrunkit: offers collected 2/2: host0 host1",
        "mrunkit: proxies running 2/2",
        "mrunkit: exit status 0 after 1.75 s (offers 0.50, MPI 1.25)",
    ]


@pytest.mark.parametrize(
    ("is_quiet", "is_json", "is_terminal", "expected"),
    [
        (False, False, False, LineReporter),
        (False, False, True, LiveReporter),
        (True, False, True, SilentReporter),
        (False, True, True, JsonReporter),
        (True, True, False, JsonReporter),
    ],
)
def test_options_choose_the_reporter(
    is_quiet: bool, is_json: bool, is_terminal: bool, expected: type
) -> None:
    """--json says the result even with -q."""
    chosen = reporter(is_quiet=is_quiet, is_json=is_json, is_terminal=is_terminal)
    assert type(chosen) is expected


def test_a_task_state_is_known_to_be_the_last() -> None:
    """Four states are alive; a task that cannot be reached is given up."""
    alive = {state.name for state in TaskState if not state.is_terminal}
    assert alive == {"STAGING", "STARTING", "RUNNING", "KILLING"}


HOSTILE = "host1\x1b]0;title\x07\x9b2J\rmrunkit: exit status 0\x7f"
"""What an agent may call itself, or say of a task: a terminal would do as it is told."""
HARMLESS = "host1?]0;title??2J?mrunkit: exit status 0?"


def test_what_others_say_moves_no_terminal() -> None:
    """Neither in a line, nor in an error, nor in a table."""
    stream = io.StringIO()
    LineReporter(stream).note(HOSTILE)
    assert stream.getvalue() == f"mrunkit: {HARMLESS}\n"
    assert describe_error(MrunkitError(f"{HOSTILE}\nü\t2", remedy=HOSTILE)).split("\n") == [
        "mrunkit: host1?]0;title??2J",
        "mrunkit: mrunkit: exit status 0?",
        "mrunkit: ü\t2",
        f"mrunkit:   {HARMLESS}",
    ]
    assert aligned([(HOSTILE, "1"), ("x", "2")])[0] == f"{HARMLESS}  1"
