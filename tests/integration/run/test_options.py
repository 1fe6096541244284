"""What options promise beyond output and exit status."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from client import FOREVER, HELLO, Mrunkit
from leftovers import listening_ports, until
from served import Served


def test_ranks_get_what_is_passed_and_nothing_else(mrunkit: Mrunkit, cluster: Served) -> None:
    """-x NAME, -x NAME=VALUE; neither the client's own variables nor the job's token."""
    here = {"PASSED": "a b", "KEPT": "back", "HYDRA_DEBUG": "1"}
    words = ("-x", "PASSED", "-x", "GIVEN=c = d", "-x", "EMPTY=")
    ended = mrunkit.run("-q", *words, cluster.address, "env", "-0", variables=here)
    environ = dict(entry.split("=", 1) for entry in ended.stdout.split("\0") if entry)
    assert {name: environ.get(name) for name in (*here, "GIVEN", "EMPTY")} == {
        "PASSED": "a b",
        "KEPT": None,
        "HYDRA_DEBUG": None,
        "GIVEN": "c = d",
        "EMPTY": "",
    }
    assert [name for name in environ if name in ("MRUNKIT_TOKEN", "MRUNKIT_RENDEZVOUS")] == []


def test_values_of_variables_are_on_no_command_line(mrunkit: Mrunkit) -> None:
    """Other users of the client's host see all of those; -x NAME may be a password."""
    words = ("-q", "-x", "PASSWORD", "local", FOREVER)
    client = mrunkit.start_run(*words, variables={"PASSWORD": "very secret"})
    client.until_said("is pid")
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            lines.append((process / "cmdline").read_bytes())
    assert [line for line in lines if b"mpiexec.hydra" in line]
    assert [line for line in lines if b"very secret" in line] == []
    client.signal(2)
    client.wait()


def test_ranks_run_where_the_client_was_started(mrunkit: Mrunkit) -> None:
    """Unless --workdir says otherwise."""
    assert mrunkit.run("-q", "local", "pwd").stdout == f"{mrunkit.work}\n"
    assert mrunkit.run("-q", "--workdir", "/usr", "local", "pwd").stdout == "/usr\n"


def test_an_account_that_the_hosts_do_not_have(mrunkit: Mrunkit) -> None:
    """It may be that of the person at the command line, so the remedy is an option."""
    ended = mrunkit.run("--run-as", "no-such-account", "local", "pwd")
    assert ended.status == 125
    assert "there is no account no-such-account on the host" in ended.stderr
    assert "--run-as" in ended.stderr


def test_arguments_belong_to_the_program(mrunkit: Mrunkit) -> None:
    """Also those that look like mrunkit's, Hydra's or the shell's."""
    given = ["-n", "3", "--help", "--", ":", "a b", "$HOME", "*", "'", "", "-genv", "ü"]
    ended = mrunkit.run("-q", "local", "printf", "%s\\n", *given)
    assert ended.stdout.splitlines() == given


def test_a_program_in_this_directory(mrunkit: Mrunkit) -> None:
    """A relative path is one from here, whatever directory the ranks run in."""
    program = mrunkit.work / "my program"
    program.write_text('#!/bin/sh\necho "in $PWD"\n')
    program.chmod(0o755)
    ended = mrunkit.run("-q", "--workdir", "/usr", "local", "./my program")
    assert (ended.status, ended.stdout) == (0, "in /usr\n")


def test_json_is_the_result(mrunkit: Mrunkit) -> None:
    """One line on stderr, with the keys of the record."""
    ended = mrunkit.run("--json", "-N", "2", "-n", "3", "--name", "three", "local", HELLO)
    (line,) = ended.stderr.splitlines()
    result = json.loads(line)
    assert {key: result[key] for key in ("name", "nodes", "procs", "exit_status", "hosts")} == {
        "name": "three",
        "nodes": 2,
        "procs": 3,
        "exit_status": 0,
        "hosts": [["host1", 2], ["host2", 1]],
    }
    assert [name for name, _ in result["phases"]] == ["offers", "launch", "MPI", "end"]


def test_events_are_json_lines(mrunkit: Mrunkit) -> None:
    """All that happened, in the order of time, from the subscription to the tear-down."""
    client = mrunkit.start_run("-N", "2", "-n", "3", "local", HELLO)
    assert client.wait().status == 0
    events = client.events
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    states = [event["value"] for event in events if event["kind"] == "state"]
    # MPI may have ended before anybody saw that it ran, and the tasks before mpiexec.
    passed = [state for state in states if state not in ("running", "draining")]
    assert passed == ["launching", "connecting", "done"]
    commands = [event["type"] for event in events if event["kind"] == "command"]
    assert commands.count("LaunchTask") == 2
    assert commands[-1] == "TearDown"
    assert {event["kind"] for event in events} == {"event", "command", "state"}


def test_events_that_cannot_be_written(mrunkit: Mrunkit) -> None:
    """What the user named must work."""
    ended = mrunkit.run("--events", "/proc/no/events", "local", HELLO)
    assert (ended.status, ended.stdout) == (125, "")
    assert ended.stderr.startswith("mrunkit: cannot write --events /proc/no/events: ")


def test_events_that_cannot_be_written_any_more(mrunkit: Mrunkit) -> None:
    """The job goes on, and its record has them all the same."""
    ended = mrunkit.run("--events", "/dev/full", "local", "echo", "done")
    assert (ended.status, ended.stdout) == (0, "done\n")
    said = "mrunkit: cannot write events to /dev/full any more: No space left on device\n"
    assert ended.stderr.count(said) == 1
    (record,) = mrunkit.records()
    shown = mrunkit.start("jobs", record["job_id"], "--json").wait()
    assert json.loads(shown.stdout)["events"][-1]["type"] == "State"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_nobody_reads_the_events(
    mrunkit: Mrunkit, number: signal.Signals, status: int
) -> None:
    """A FIFO waits for its reader, but not for ever; no job is there yet that could be ended."""
    fifo = mrunkit.work / "fifo"
    os.mkfifo(fifo)
    client = mrunkit.start("run", "--events", "fifo", "local", HELLO)
    until(lambda: any(mrunkit.state_dir.rglob("job.json")), "the record")
    client.signal(number)
    ended = client.wait()
    assert (ended.status, ended.stderr) == (status, f"mrunkit: ended by {number.name}\n")
    (record,) = mrunkit.records()
    assert (record["state"], record["exit_status"], record["message"]) == (
        "failed",
        status,
        f"ended by {number.name}",
    )


def test_a_dry_run_prints_the_placement(mrunkit: Mrunkit) -> None:
    """And launches nothing, and leaves no record."""
    ended = mrunkit.run("--dry-run", "-N", "3", "-n", "4", "local", HELLO)
    assert (ended.status, [line.split() for line in ended.stdout.splitlines()]) == (
        0,
        [
            ["HOST", "ADDRESS", "RANKS", "CPUS", "MEM"],
            ["host1", "127.0.1.1", "2", "2", "256"],
            ["host2", "127.0.1.2", "1", "1", "128"],
            ["host3", "127.0.1.3", "1", "1", "128"],
        ],
    )
    assert mrunkit.records() == []


def test_a_dry_run_as_json(mrunkit: Mrunkit) -> None:
    """Agents with their ranks, and nothing else on either stream."""
    ended = mrunkit.run("--dry-run", "--json", "-N", "2", "-n", "3", "local", HELLO)
    placed = [(agent["hostname"], ranks) for agent, ranks in json.loads(ended.stdout)]
    assert (ended.status, placed, ended.stderr) == (0, [("host1", 2), ("host2", 1)], "")


def test_a_dry_run_says_why_none_can_be_made(mrunkit: Mrunkit) -> None:
    """As the run itself would."""
    ended = mrunkit.run("--dry-run", "-N", "4", "-n", "40", "local", HELLO)
    assert (ended.status, ended.stdout) == (125, "")
    assert "mrunkit: no 4 agents with 10 cpus each: the largest 4 have 8, 8, 8, 8\n" in ended.stderr


def test_a_job_that_could_not_begin_has_an_end(mrunkit: Mrunkit) -> None:
    """It is not taken for one whose client was killed."""
    assert mrunkit.run("--mpiexec", "/no/mpiexec", "local", HELLO).status == 125
    (record,) = mrunkit.records()
    assert (record["state"], record["exit_status"]) == ("failed", 125)
    assert record["message"] == "no program /no/mpiexec"


def test_jobs_are_listed(mrunkit: Mrunkit) -> None:
    """All, and one with its events; for people and as JSON."""
    assert mrunkit.start("jobs").wait().stdout == "no jobs yet\n"
    mrunkit.run("-N", "2", "-n", "3", "local", HELLO)
    mrunkit.run("-N", "5", "local", HELLO)
    done, failed = mrunkit.records()
    assert (done["state"], done["exit_status"]) == ("done", 0)
    assert (failed["state"], failed["exit_status"]) == ("failed", 125)
    assert failed["message"] == "-N 5 needs 5 agents, and the cluster has 4"
    table = mrunkit.start("jobs").wait().stdout.splitlines()
    assert [line.split()[:5] for line in table[1:]] == [
        [done["job_id"], "done", "0", "2", "3"],
        [failed["job_id"], "failed", "125", "5", "5"],
    ]
    page = mrunkit.start("jobs", done["job_id"]).wait().stdout
    assert "hosts    host1:2 host2:1\n" in page
    assert "TearDown" in page
    one = json.loads(mrunkit.start("jobs", done["job_id"], "--json").wait().stdout)
    events = one.pop("events")
    assert one == done
    assert events[0]["type"] == "Subscribed"


def test_jobs_with_arguments_that_are_no_text(mrunkit: Mrunkit) -> None:
    """Listed all the same, whatever the locale can show."""
    mrunkit.run("--name", "ü", "local", "echo", os.fsdecode(b"\xff"))
    for encoding in ("utf-8:strict", "ascii:strict"):
        listed = mrunkit.start("jobs", variables={"PYTHONIOENCODING": encoding}).wait()
        assert (listed.status, listed.stderr) == (0, "")
        assert listed.stdout.endswith("echo \\udcff\n")


def test_a_job_that_is_not_there(mrunkit: Mrunkit) -> None:
    """An error, not a traceback."""
    ended = mrunkit.start("jobs", "20000101-000000-abcdef").wait()
    assert (ended.status, ended.stderr.splitlines()[0]) == (
        125,
        "mrunkit: there is no job '20000101-000000-abcdef'",
    )


def test_a_job_is_worth_more_than_its_record(mrunkit: Mrunkit) -> None:
    """Where the state directory cannot be made, the job runs, and a line says so."""
    blocked = mrunkit.work / "file"
    blocked.touch()
    variables = {"MRUNKIT_STATE_DIR": str(blocked / "state")}
    ended = mrunkit.run("-N", "2", "local", HELLO, variables=variables)
    assert (ended.status, len(ended.lines)) == (0, 2)
    assert "mrunkit: no record of this job: " in ended.stderr


def test_only_mpiexec_listens_while_ranks_run(mrunkit: Mrunkit, cluster: Served) -> None:
    """The rendezvous is open only while tasks are expected."""
    cluster.fault(lambda faults: faults.delay_starts("host2", 1))
    client = mrunkit.start_run("-N", "2", cluster.address, FOREVER)
    client.until_event("ProxyConnected")
    assert len(listening_ports(client.pid)) == 1
    client.until_said("is pid", 2)
    assert listening_ports(client.pid) == set()
    client.kill()


@pytest.mark.parametrize("words", ["--help", "run --help", "local --help", "jobs --help"])
def test_help(mrunkit: Mrunkit, words: str) -> None:
    """Every command has it; run's lists the exit statuses."""
    ended = mrunkit.start(*words.split()).wait()
    assert (ended.status, ended.stderr) == (0, "")
    assert ("  125  mrunkit could not run the job" in ended.stdout) == (words == "run --help")
    assert "Usage: " in ended.stdout
