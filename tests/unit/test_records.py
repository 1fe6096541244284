"""What stays of a job, and how it is read again."""

from __future__ import annotations

import io
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mrunkit.errors import MrunkitError
from mrunkit.process_identity import this_process
from mrunkit.records import EventLog, JobRecord, Records, to_json
from mrunkit.scheduler.events import OffersReceived, ProxyLost, TaskState, TaskUpdated
from mrunkit.scheduler.gang import Deadline
from mrunkit.scheduler.job import Constraint, JobSpec
from mrunkit.scheduler.offers import Offer, Share
from mrunkit.scheduler.resources import Demand, Resources

RECORD = JobRecord(
    job_id="20260101-000000-abcdef",
    name="hello",
    program=("./hello", "a b"),
    master="local",
    nodes=2,
    procs=3,
    cpus=0.5,
    mem=64.0,
    started=1000.0,
    pid=os.getpid(),
    client="here",
)
ENDED = replace(
    RECORD,
    ended=1002.5,
    exit_status=0,
    hosts=(("host0", 2), ("host1", 1)),
    phases=(("offers", 0.5), ("MPI", 2.0)),
)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """An empty state directory."""
    return Records(tmp_path / "state")


@pytest.mark.parametrize("record", [RECORD, ENDED])
def test_what_is_written_is_read(records: Records, record: JobRecord) -> None:
    """To the last field."""
    records.write(record)
    assert records.read(record.job_id) == record


def test_nobody_else_can_read_what_was_run(records: Records) -> None:
    """Whatever may stand in arguments, and wherever the state directory is."""
    records.write(RECORD)
    records.open_events(RECORD.job_id).close()
    assert records.jobs_dir.stat().st_mode & 0o777 == 0o700


def test_a_record_is_replaced_as_a_whole(records: Records) -> None:
    """Nothing but the record and its events lies in a job's directory."""
    records.write(RECORD)
    records.write(ENDED)
    assert records.read(RECORD.job_id) == ENDED
    names = [path.name for path in (records.jobs_dir / RECORD.job_id).iterdir()]
    assert names == ["job.json"]


def test_all_records_come_by_age(records: Records) -> None:
    """The newest last; those that cannot be read are left out."""
    for job_id, started in (("b", 1.0), ("c", 3.0), ("a", 2.0)):
        records.write(replace(RECORD, job_id=job_id, started=started))
    for job_id, text in (("torn", '{"job_id": "to'), ("other", "[]"), ("older", '{"id": 1}')):
        (records.jobs_dir / job_id).mkdir()
        (records.jobs_dir / job_id / "job.json").write_text(text)
    assert [record.job_id for record in records.all()] == ["b", "a", "c"]


def test_without_a_state_directory_there_are_no_records(records: Records) -> None:
    """Nothing is made by looking."""
    assert records.all() == []
    assert not records.jobs_dir.exists()


def test_an_unknown_job_is_told(records: Records) -> None:
    """With the command that lists them."""
    with pytest.raises(MrunkitError) as raised:
        records.read("nope")
    assert str(raised.value) == "there is no job 'nope'"
    assert raised.value.remedy == "mrunkit jobs lists those there are"


def test_a_jobs_state_is_told_by_its_client() -> None:
    """Of a client elsewhere only the record can tell."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    lost = replace(RECORD, pid=ended.pid)
    states = {
        "running": RECORD.state(hostname="here", booted=0.0),
        "lost": lost.state(hostname="here", booted=0.0),
        "elsewhere": lost.state(hostname="there", booted=0.0),
        "done": replace(lost, exit_status=0).state(hostname="here", booted=0.0),
        "failed": replace(lost, exit_status=7).state(hostname="here", booted=0.0),
    }
    assert states == {
        "running": "running",
        "lost": "lost",
        "elsewhere": "running",
        "done": "done",
        "failed": "failed",
    }


def test_a_client_is_told_from_a_process_that_has_its_number() -> None:
    """By when it started; without that, by the machine's boot."""
    mine = this_process("here")
    running = replace(RECORD, pid=mine.pid, client_started=mine.started)
    states = {
        "running": running.state(hostname="here", booted=2000.0),
        "number taken": replace(running, client_started=mine.started - 1).state(
            hostname="here", booted=0.0
        ),
        "older record": RECORD.state(hostname="here", booted=0.0),
        "before the boot": RECORD.state(hostname="here", booted=2000.0),
        "before another's boot": RECORD.state(hostname="there", booted=2000.0),
    }
    assert states == {
        "running": "running",
        "number taken": "lost",
        "older record": "running",
        "before the boot": "lost",
        "before another's boot": "running",
    }


def test_events_are_written_as_they_happen(records: Records) -> None:
    """Each is in the file at once, and what was torn by a kill is left out."""
    expected = {"time": 1.5, "kind": "event", "type": "ProxyLost", "task_id": "j.0.0"}
    with records.open_events("j") as file:
        EventLog((file,)).write(1.5, "event", ProxyLost(task_id="j.0.0"))
        assert records.read_events("j") == [expected]
        file.write('{"time": 2.0, "ki')
    assert records.read_events("j") == [expected]


def test_lines_that_are_no_events_are_left_out(records: Records) -> None:
    """As a crash leaves some: the others are shown."""
    event = b'{"time": 1.5, "type": "str", "value": "\\u00e4"}'
    others = (b"7", b"null", b"[]", b"{}", b'{"time": 1.0}', b'{"time": "x", "type": "y"}')
    records.open_events("j").close()
    path = records.jobs_dir / "j" / "events.jsonl"
    path.write_bytes(b"\n".join([*others, b"\x00\xff", event, b""]))
    assert [found["value"] for found in records.read_events("j")] == ["ä"]


def test_a_job_without_events_has_none(records: Records) -> None:
    """Not an error: it may have ended before the first."""
    assert records.read_events("nope") == []


def test_events_go_to_every_file() -> None:
    """The record's and that of --events."""
    files = (io.StringIO(), io.StringIO())
    EventLog(files).write(1.0, "signal", "SIGINT")
    expected = {"time": 1.0, "kind": "signal", "type": "str", "value": "SIGINT"}
    assert [json.loads(file.getvalue()) for file in files] == [expected, expected]


def test_events_go_on_where_they_can_be_written(records: Records) -> None:
    """A full disk under one file is told once, and keeps nothing from the other."""
    told: list[tuple[str, str]] = []
    with records.open_events("j") as ours, Path("/dev/full").open("w", buffering=1) as full:
        log = EventLog((full, ours), lambda name, error: told.append((name, str(error.strerror))))
        for time in (1.0, 2.0):
            log.write(time, "signal", "SIGINT")
        log.close()
    assert told == [("/dev/full", "No space left on device")]
    assert [event["time"] for event in records.read_events("j")] == [1.0, 2.0]


def test_values_of_the_scheduler_become_json() -> None:
    """Nested values, enumerations, sets and mappings."""
    offer = Offer.of(
        "O1",
        "S1",
        hostname="h",
        address="a",
        shares=(Share(role="*", resources=Resources(cpus=1.0, ports=((1, 2),))),),
    )
    event = to_json(OffersReceived(offers=(offer,)))
    resources = {"cpus": 1.0, "mem": 0.0, "disk": 0.0, "gpus": 0.0, "ports": [[1, 2]]}
    assert event["offers"][0]["shares"] == [{"role": "*", "resources": resources}]
    spec = JobSpec(
        job_id="j",
        nodes=1,
        procs=1,
        rank=Demand(cpus=1.0),
        hosts=frozenset({"b", "a"}),
        constraints=(Constraint(attribute="rack", value="r1"),),
    )
    written = to_json(spec)
    assert written["hosts"] == ["a", "b"]
    assert written["policy"] == "first-fit"
    assert written["constraints"] == [{"attribute": "rack", "value": "r1"}]
    assert to_json(TaskUpdated(task_id="t", state=TaskState.LOST))["state"] == "TASK_LOST"
    assert to_json({Deadline.START: 1.0}) == {"Deadline.START": 1.0}
    assert json.loads(json.dumps(written)) == written
