"""Every exit status that the README lists, provoked for real, with its reason in one line."""

from __future__ import annotations

import contextlib
import errno
import http.server
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client import EXIT_CODE, FOREVER, HELLO, Client, Mrunkit
from in_background import in_background
from served import Served

from mrunkit.hydra.installation import find_mpiexec
from mrunkit.scheduler.job import BAD_EXIT_SECONDS


def reasons(stderr: str) -> list[str]:
    """What mrunkit says about a failure: its lines, without those about phases."""
    phases = ("job ", "offers collected ", "proxies running ", "MPI started", "exit status ")
    ours = [
        line.removeprefix("mrunkit: ")
        for line in stderr.splitlines()
        if line.startswith("mrunkit: ")
    ]
    return [line for line in ours if not line.startswith(phases)]


# --- the program's own ----------------------------------------------------------------


@pytest.mark.parametrize("status", [1, 7, 124, 255])
def test_the_programs_own_passes_through(mrunkit: Mrunkit, status: int) -> None:
    """Whichever rank ends with it, and also if it looks like one of ours."""
    ended = mrunkit.run("-N", "2", "-n", "4", "local", EXIT_CODE, str(status), "3")
    assert (ended.status, reasons(ended.stderr)) == (status, [])


def test_several_statuses_are_ored(mrunkit: Mrunkit) -> None:
    """As mpiexec reports them: 1, 2, 4 and 8 are 15."""
    ended = mrunkit.run("-N", "2", "-n", "4", "local", "sh", "-c", "exit $((1 << PMI_RANK))")
    assert ended.status == 15


@pytest.mark.parametrize(
    ("ranks", "more"),
    [("4", ""), ("2", f", and the others did not end within {BAD_EXIT_SECONDS} s")],
)
def test_a_rank_that_ends_before_mpi_finalize_ends_the_others(
    mrunkit: Mrunkit, ranks: str, more: str
) -> None:
    """They wait for it on both hosts; it was alone on its own, or not."""
    ended = mrunkit.run("-N", "2", "-n", ranks, "local", EXIT_CODE, "3", "1", "early")
    said = f"host2: a rank ended with status 3, without MPI_Finalize{more}"
    assert (ended.status, reasons(ended.stderr)) == (3, [said])


def test_ranks_of_programs_without_mpi_may_go_on_after_one_has_failed(mrunkit: Mrunkit) -> None:
    """If the user says so; the failure is told at the end."""
    script = f"[ $PMI_RANK -ne 1 ] || exit 3; sleep {BAD_EXIT_SECONDS + 1}; echo $PMI_RANK"
    words = ("-N", "2", "-n", "4", "--no-kill-on-bad-exit", "local", "sh", "-c", script)
    ended = mrunkit.run(*words)
    assert (ended.status, ended.lines) == (3, ["0", "2", "3"])


def test_a_ranks_signal_is_told(mrunkit: Mrunkit) -> None:
    """The status is the signal's number; the line says where it was and what it means."""
    script = 'if [ "$PMI_RANK" = 1 ]; then (sleep 1; kill -SEGV $$) & fi; exec "$0"'
    ended = mrunkit.run("-N", "2", "-n", "2", "local", "sh", "-c", script, FOREVER)
    said = "a rank on 127.0.1.2 was ended by signal 11 (Segmentation fault)"
    assert (ended.status, reasons(ended.stderr)) == (11, [said])


# --- 2: usage -------------------------------------------------------------------------


def test_all_that_is_wrong_with_a_request_is_told_at_once(mrunkit: Mrunkit) -> None:
    """Nothing is contacted; each problem has a line."""
    words = ("-N", "4", "-n", "3", "-c", "-1", "-x", "1=2", "--wait", "nan", "ho st", HELLO)
    ended = mrunkit.run(*words)
    assert ended.status == 2
    assert ended.stderr.splitlines() == [
        "mrunkit: -n 3 ranks cannot fill -N 4 nodes: ask for fewer",
        "mrunkit: -c -1.0: must be a number of at least 0.01",
        "mrunkit: --wait nan: must be a number of at least 0",
        "mrunkit: -x 1=2: must be NAME or NAME=VALUE",
        "mrunkit: 'ho st' is not a master: "
        "give HOST[:PORT], zk://HOST:PORT[,HOST:PORT...]/PATH, local or local:4x8",
    ]


def test_an_unknown_option_is_a_usage_error(mrunkit: Mrunkit) -> None:
    """As everywhere."""
    assert mrunkit.run("--no-such-option", "local", HELLO).status == 2


# --- 124: time limit ------------------------------------------------------------------


def test_the_time_limit_ends_the_job(mrunkit: Mrunkit) -> None:
    """The ranks are ended, and the reason is told."""
    ended = mrunkit.run("-N", "2", "-n", "4", "--time-limit", "0.5", "local", FOREVER)
    assert (ended.status, reasons(ended.stderr)) == (124, ["ran longer than 0.5 s (--time-limit)"])


# --- 125: mrunkit could not run it ----------------------------------------------------


def test_an_unknown_master(mrunkit: Mrunkit) -> None:
    """A name that does not resolve."""
    ended = mrunkit.run("no-such-host.invalid", HELLO)
    assert (ended.status, reasons(ended.stderr)[0]) == (
        125,
        "the master's host 'no-such-host.invalid' is unknown",
    )


def test_a_closed_port(mrunkit: Mrunkit) -> None:
    """Nobody is there: told at once, not waited for."""
    with contextlib.closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        ended = mrunkit.run(address, HELLO)
    assert (ended.status, reasons(ended.stderr)[0]) == (125, f"nothing listens at {address}")


@pytest.fixture
def web_server() -> Iterator[str]:
    """The address of something that speaks HTTP and is no Mesos master."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>It works!</html>")

        def log_message(self, *arguments: object) -> None:
            pass

    with in_background(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"127.0.0.1:{server.server_port}"


def test_something_that_is_no_master(mrunkit: Mrunkit, web_server: str) -> None:
    """A web server at the port."""
    ended = mrunkit.run(web_server, HELLO)
    assert (ended.status, reasons(ended.stderr)[0]) == (
        125,
        f"what answers at {web_server} is not a Mesos master",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("-N", "4", "-n", "40"),
            ["no 4 agents with 10 cpus each: the largest 4 have 8, 8, 8, 8", "  -c 0.8 would fit"],
        ),
        (("-N", "5"), ["-N 5 needs 5 agents, and the cluster has 4", "  -N 4 would fit"]),
    ],
)
def test_what_can_never_fit_is_refused_at_once(
    mrunkit: Mrunkit, words: tuple[str, ...], said: list[str]
) -> None:
    """Within 2 seconds, with the nearest request that would fit."""
    ended = mrunkit.run(*words, "local", HELLO)
    assert (ended.status, reasons(ended.stderr)) == (125, said)
    (record,) = mrunkit.records()
    assert record["ended"] - record["started"] < 2


def test_agents_that_are_kept_for_gpus(mrunkit: Mrunkit, serve: Callable[..., Served]) -> None:
    """As a real master does: it would never offer them, and the job would wait for ever."""
    ended = mrunkit.run("-N", "4", serve(gpus=1).address, HELLO)
    assert (ended.status, reasons(ended.stderr)) == (
        125,
        [
            "-N 4 needs 4 agents, and the cluster has 0; "
            "its --filter_gpu_resources keeps 4 agents for jobs with --gpus"
        ],
    )


def occupy(mrunkit: Mrunkit, cluster: Served) -> Client:
    """Take three of the four cpus of each agent."""
    client = mrunkit.start_run("-N", "4", "-n", "12", "-c", "1", cluster.address, FOREVER)
    client.until_said("is pid", 12)
    return client


def test_no_room_now(mrunkit: Mrunkit, cluster: Served) -> None:
    """--wait 0 fails if the resources are not free, and --wait 1 a little later."""
    busy = occupy(mrunkit, cluster)
    for wait, when in (("0", "now"), ("1", "within 1 s")):
        ended = mrunkit.run("--wait", wait, "-N", "4", "-c", "2", cluster.address, HELLO)
        assert (ended.status, reasons(ended.stderr)[0]) == (
            125,
            f"only 0 of 4 nodes with room were offered {when}",
        )
    busy.kill()


def test_a_host_that_never_calls_back(mrunkit: Mrunkit, cluster: Served) -> None:
    """--start-timeout is kept, and says which host it was."""
    cluster.fault(lambda faults: faults.delay_starts("host2", 1000))
    words = ("-N", "2", "--start-timeout", "1", "--retries", "0")
    ended = mrunkit.run(*words, cluster.address, HELLO)
    assert (ended.status, reasons(ended.stderr)) == (
        125,
        ["host2: did not call back within 1 s (--start-timeout); its task is TASK_STAGING"],
    )


def test_no_mpich_here(mrunkit: Mrunkit) -> None:
    """Found out before anything is asked of a master."""
    ended = mrunkit.run("--mpiexec", "/no/such/mpiexec.hydra", "local", HELLO)
    assert (ended.status, reasons(ended.stderr)[0]) == (125, "no program /no/such/mpiexec.hydra")


@pytest.mark.parametrize("count", [0, 2])
def test_an_mpiexec_that_asks_for_other_proxies(mrunkit: Mrunkit, count: int) -> None:
    """Not MPICH's, or of an image that means ill: the job ends, with words."""
    line = "HYDRA_LAUNCH: /bin/hydra_pmi_proxy --control-port h:1 --proxy-id 0"
    mpiexec = mrunkit.work / "mpiexec.hydra"
    mpiexec.write_text(
        f"#!/bin/sh\n[ $1 != --version ] || exec {find_mpiexec(None)} --version\n"
        f"{count * f'echo {line};'} echo HYDRA_LAUNCH_END; exec sleep 1000\n"
    )
    (mrunkit.work / "hydra_pmi_proxy").symlink_to(find_mpiexec(None).with_name("hydra_pmi_proxy"))
    mpiexec.chmod(0o755)
    ended = mrunkit.run("--mpiexec", str(mpiexec), "local", HELLO)
    assert ended.status == 125
    assert f"mpiexec asked for {count} proxies, and there are 1 hosts" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_working_directory_that_is_on_no_host(mrunkit: Mrunkit) -> None:
    """Each host that is tried says so; the last is named."""
    ended = mrunkit.run("--workdir", "/no/such", "--retries", "1", "local", HELLO)
    assert ended.status == 125
    assert reasons(ended.stderr)[-1] == (
        "host2: has no directory /no/such (--workdir) (after 1 replaced)"
    )


# --- 126 and 127: the program ---------------------------------------------------------


def not_executable(directory: Path) -> Path:
    """A file without the permission to be executed."""
    path = directory / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o644)
    return path


def missing(directory: Path) -> Path:
    """No file."""
    return directory / "missing"


@pytest.mark.parametrize(
    ("make", "status", "said"),
    [
        (not_executable, 126, "{program} is not executable"),
        (Path, 126, "{program} is a directory, not a program"),
        (missing, 127, "there is no program {program}"),
    ],
)
def test_the_client_looks_for_the_program_first(
    mrunkit: Mrunkit, make: Callable[[Path], Path], status: int, said: str
) -> None:
    """Where it can see that there is none, it asks no master."""
    program = str(make(mrunkit.work))
    ended = mrunkit.run("local", program)
    assert (ended.status, reasons(ended.stderr)[0]) == (status, said.format(program=program))
    assert mrunkit.records() == []


def test_a_name_that_is_not_in_path(mrunkit: Mrunkit) -> None:
    """But here: it is guessed what was meant."""
    (mrunkit.work / "my-program").touch(mode=0o755)
    ended = mrunkit.run("local", "my-program")
    assert (ended.status, reasons(ended.stderr)) == (
        127,
        ["my-program is not in PATH", "  did you mean ./my-program?"],
    )


def test_a_program_that_only_the_hosts_can_miss(mrunkit: Mrunkit) -> None:
    """In a directory that is not here there may be one; if not, MPI says so."""
    ended = mrunkit.run("-N", "2", "local", "/no/such/directory/program")
    assert (ended.status, reasons(ended.stderr)) == (
        127,
        ["/no/such/directory/program cannot be run on a node: No such file or directory"],
    )


def test_a_program_that_cannot_be_executed_on_the_hosts(mrunkit: Mrunkit, cluster: Served) -> None:
    """What could be executed here, and on the hosts cannot."""
    program = mrunkit.work / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    cluster.fault(lambda faults: faults.delay_starts("host1", 1))
    client = mrunkit.start_run(cluster.address, str(program))
    client.until_state("launching")
    program.chmod(0o644)
    ended = client.wait()
    assert (ended.status, reasons(ended.stderr)) == (
        126,
        [f"{program} cannot be run on a node: {os.strerror(errno.EACCES)}"],
    )
