"""Ansible's events folded into a state, from the recorded run in tests/data/ansible/run.jsonl.

Of its four hosts, host3 cannot be reached, which validate ignores; host1 is rescued in nfs, and
host2 fails there. The plays of mesos use a role of another name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

from mrunkit.provision.progress import HostWarning, Progress, Status, advance
from mrunkit.provision.table import (
    Row,
    describe_advance,
    describe_end,
    describe_task,
    describe_warnings,
    name_hosts,
    table,
)

RECORDED = Path(__file__).parents[2] / "data" / "ansible" / "run.jsonl"
EVENTS = [json.loads(line) for line in RECORDED.read_text().splitlines()]
STEPS = ("validate", "base", "nfs", "mesos", "image")
START = Progress(steps=STEPS, hosts=("host0", "host1", "host2", "host3"))


def run(progress: Progress = START) -> Progress:
    """The progress after all events."""
    return reduce(advance, EVENTS, progress)


def states() -> Iterator[Progress]:
    """The progress after each event."""
    progress = START
    for event in EVENTS:
        progress = advance(progress, event)
        yield progress


def event(kind: str, host: str | None = None, **data: Any) -> dict[str, Any]:
    """An event of a task of the play Base."""
    known = {"play": "Base", "task": "Write", "task_action": "ansible.builtin.copy", "host": host}
    return {
        "event": kind,
        "created": "2026-11-22T22:00:00+00:00",
        "event_data": {**known, **data},
    }


def test_each_host_has_its_status_in_each_step() -> None:
    """What was rescued is as if nothing had been; what failed stays, and is touched no more."""
    ended = run()
    table = {
        host: [ended.status(host, step).value for step in STEPS] for host in sorted(ended.hosts)
    }
    assert table == {
        "host0": ["ok", "ok", "ok", "changed", "pending"],
        "host1": ["ok", "changed", "ok", "changed", "pending"],
        "host2": ["ok", "ok", "failed", "pending", "pending"],
        "host3": ["unreachable", "unreachable", "pending", "pending", "pending"],
    }


def test_only_what_cost_a_host_is_a_failure_in_the_end() -> None:
    """Not what was ignored, rescued, or not to matter."""
    failures = [(failure.host, failure.step, failure.task) for failure in run().fatal]
    assert failures == [("host3", "base", "Write"), ("host2", "nfs", "Export")]


def test_a_run_that_ansible_broke_off_has_failures_though_it_counted_none() -> None:
    """So ends any_errors_fatal with ignore_unreachable: no host counts as lost."""
    progress = START
    for kind, host in (("playbook_on_task_start", None), ("runner_on_unreachable", "host1")):
        progress = advance(progress, event(kind, host, res={"msg": "no route"}))
    ended = advance(progress, event("playbook_on_stats"))
    assert [failure.host for failure in ended.fatal] == ["host1"]


def test_what_was_changed_is_what_ansible_counted() -> None:
    """It decides whether a second run has changed anything."""
    assert run().changed == {"host0", "host1"}


def test_addresses_are_kept_as_they_are_found() -> None:
    """Of the hosts that have told theirs."""
    assert run().addresses == {"host0": "10.1.0.10", "host2": "10.1.0.12", "host3": "10.1.0.13"}


def test_a_step_takes_the_time_from_its_first_task_to_the_next_steps() -> None:
    """All steps together last from the first task to the end."""
    tasks = [e["created"] for e in EVENTS if e["event"] == "playbook_on_task_start"]
    seconds = run().seconds
    assert tuple(seconds) == ("validate", "base", "nfs", "mesos")
    whole = datetime.fromisoformat(EVENTS[-1]["created"]) - datetime.fromisoformat(tasks[0])
    assert round(sum(seconds.values()), 3) == round(whole.total_seconds(), 3)


def test_a_step_that_goes_on_after_another_has_taken_both_times() -> None:
    """Handlers and second plays of a role come late."""
    progress = START
    for second, play in enumerate(("Base", "NFS server", "Base", "NFS server")):
        started = event("playbook_on_task_start", play=play)
        at = {"created": f"2026-11-22T22:00:{second**2:02}+00:00"}
        progress = advance(progress, {**started, **at})
    assert progress.seconds == {"base": 1.0 + 5.0, "nfs": 3.0}


def test_hosts_are_waited_for_while_their_task_runs() -> None:
    """The line below the table names them."""
    told = [describe_task(progress) for progress in states()]
    assert "validate: Reach on host0, host1, host2, host3" in told
    last = max(index for index, line in enumerate(told) if line.startswith("validate: Reach"))
    first = told.index("validate: Reach on host0, host1, host2, host3")
    assert (first < last, told[last]) == (True, "validate: Reach")
    assert told[-1] == ""


def test_a_step_is_told_when_it_is_over() -> None:
    """With the hosts that it lost."""
    before = START
    lines = []
    for after in states():
        lines += describe_advance(before, after)
        before = after
    assert [line.rpartition(", ")[0] for line in lines] == [
        "validate: 3 ok, 1 unreachable (host3)",
        "base: 2 ok, 1 changed, 1 unreachable (host3)",
        "nfs: 2 ok, 1 failed (host2)",
        "mesos: 2 changed",
    ]
    assert describe_end(before) == "4 hosts, 2 changed, 2 failed, 13.1 s"


def test_steps_and_hosts_that_were_not_known_are_added() -> None:
    """With --limit the hosts are those that Ansible touches; teardown imports no steps."""
    ended = run(Progress(steps=(), hosts=()))
    assert ended.steps == ("Validate", "base", "nfs", "zookeeper")
    assert sorted(ended.hosts) == ["host0", "host1", "host2", "host3"]


def test_a_step_that_was_not_known_stands_where_it_ran() -> None:
    """Between those that were."""
    start = Progress(steps=("base", "nfs"), hosts=())
    plays = ("Base", "Extras", "NFS server")
    events = [event("playbook_on_task_start", play=play) for play in plays]
    assert reduce(advance, events, start).steps == ("base", "Extras", "nfs")


def test_a_host_goes_on_after_a_failure_that_was_rescued() -> None:
    """It is shown as failed no longer than that."""
    progress = advance(START, event("playbook_on_task_start"))
    progress = advance(progress, event("runner_on_start", "host0"))
    progress = advance(progress, event("runner_on_failed", "host0", res={"msg": "no"}))
    assert progress.status("host0", "base") is Status.FAILED
    progress = advance(progress, event("runner_on_start", "host0"))
    assert progress.status("host0", "base") is Status.RUNNING


def test_what_ansible_says_of_itself_is_kept() -> None:
    """In the words of old versions and of new ones."""
    said = ("ERROR! no such role", "[ERROR]: no such module", "[WARNING]: old")
    events = [{"event": "verbose", "created": "", "stdout": f"{text}\r\n"} for text in said]
    assert reduce(advance, events, START).errors == said[:2]


# --- the table --------------------------------------------------------------------------


def test_a_table_that_fits_has_a_row_per_host() -> None:
    """A dash is where a step passed a host by, nothing is what is still to come."""
    shown = table(run(), width=120, height=4)
    assert shown.heading == ("host", *STEPS)
    rows = shown.rows
    assert rows[0] == Row(label="host0", cells=("ok", "ok", "ok", "changed", ""))
    assert rows[3] == Row(label="host3", cells=("unreachable", "unreachable", "-", "-", ""))


def test_a_table_that_does_not_fit_is_folded_into_counts() -> None:
    """Hosts that failed keep their rows as far as there is room."""
    assert table(run(), width=120, height=3).rows == (
        Row(label="pending", cells=("", "", "1", "2", "4")),
        Row(label="ok", cells=("3", "2", "2", "", "")),
        Row(label="changed", cells=("", "1", "", "2", "")),
        Row(label="failed", cells=("", "", "1", "", "")),
        Row(label="unreachable", cells=("1", "1", "", "", "")),
    )


def test_five_hundred_hosts_never_scroll() -> None:
    """Whatever becomes of them, there are no more rows than lines, given as many as statuses."""
    hosts = tuple(f"node{number}" for number in range(500))
    progress = advance(Progress(steps=("base",), hosts=hosts), event("playbook_on_task_start"))
    for host in hosts:
        progress = advance(progress, event("runner_on_failed", host, res={"msg": "no"}))
    rows = table(progress, width=80, height=20).rows
    assert len(rows) == 20
    assert rows[0] == Row(label="failed", cells=("500",))
    assert [row.label for row in rows[1:3]] == ["node0", "node1"]


def test_many_hosts_are_named_in_few_words() -> None:
    """The first five, and how many more."""
    assert name_hosts(["a", "b"]) == "a, b"
    assert name_hosts([str(n) for n in range(7)]) == "0, 1, 2, 3, 4 and 2 more"


def test_what_a_playbook_warns_of_is_told_once() -> None:
    """Whatever the number of hosts; other words of tasks are for the log."""
    warning = {"msg": "WARNING: it may hang"}
    progress = START
    for ended in (
        event("runner_on_ok", "host0", task_action="ansible.builtin.debug", res=warning),
        event("runner_on_ok", "host1", task_action="ansible.builtin.debug", res=warning),
        event("runner_on_ok", "host1", task_action="ansible.builtin.debug", res={"msg": "Would"}),
        event("runner_on_ok", "host1", task_action="ansible.builtin.command", res=warning),
    ):
        progress = advance(progress, ended)
    assert [warning.host for warning in progress.warnings] == ["host0", "host1"]
    assert describe_warnings(progress) == ["it may hang"]


def test_warnings_that_differ_by_the_hosts_name_are_told_once() -> None:
    """With the names, where they were; other words, and parts of words, are left alone."""
    hosts = tuple(f"host{index}" for index in range(500))
    warnings = [HostWarning(host=host, text=f"{host}: no mrunkit of its own") for host in hosts]
    warnings += [HostWarning(host=host, text=f"mesos stays on {host}.") for host in hosts[2::-1]]
    warnings += [
        HostWarning(host="host1", text="host1, host10: retired"),
        HostWarning(host="host1", text="see /logs/host1"),
        HostWarning(host="host2", text="see /logs/host2"),
        HostWarning(host="host2", text="host2: no room on host2.example.org"),
    ]
    assert describe_warnings(Progress(steps=(), hosts=hosts, warnings=tuple(warnings))) == [
        "host0, host1, host2, host3, host4 and 495 more: no mrunkit of its own",
        "mesos stays on host0, host1, host2.",
        "host1, host10: retired",
        "see /logs/host1",
        "see /logs/host2",
        "host2: no room on host2.example.org",
    ]
