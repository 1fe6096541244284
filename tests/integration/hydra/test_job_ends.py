"""How jobs with the real MPICH end: by themselves, by failures, because somebody ends them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, finished, until

from mrunkit.errors import ExitStatus
from mrunkit.hydra.installation import Mpich
from mrunkit.hydra.proxy import FAILED_RANK_STATUS
from mrunkit.hydra.rank import with_failure_told
from mrunkit.hydra.verdict import verdict

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
Sink = Callable[[str], int]


def test_statuses_of_ranks_are_ored(new_job: NewJob, sink: Sink) -> None:
    """As mpiexec does it: 1 and 4 give 5."""

    async def run() -> int:
        async with new_job() as job:
            await job.start_tasks(2)
            program = ["sh", "-c", "[ $PMI_RANK = 0 ] && exit 1; exit 4"]
            mpiexec = await job.start_mpi([1, 1], program, stdout=sink("out"), stderr=sink("err"))
            return await finished(mpiexec)

    assert asyncio.run(run()) == 5


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("/nonexistent/program", ExitStatus.NOT_FOUND),
        ("/etc/passwd", ExitStatus.NOT_EXECUTABLE),
    ],
)
def test_a_program_that_cannot_run_is_told_apart(
    new_job: NewJob, sink: Sink, program: str, status: int
) -> None:
    """By what the node says; a word that is a colon makes no difference."""

    async def run(words: list[str]) -> int:
        async with new_job() as job:
            await job.start_tasks(1)
            mpiexec = await job.start_mpi([1], words, stdout=sink("out"), stderr=sink("err"))
            returncode = await finished(mpiexec)
            return verdict(returncode, mpiexec.stderr_tail, mpiexec.stdout_tail).exit_status

    assert asyncio.run(run([program])) == status
    assert asyncio.run(run([program, ":"])) == status


def test_a_proxy_that_is_killed_takes_its_ranks_along(
    new_job: NewJob, sink: Sink, shell: tuple[str, ...]
) -> None:
    """Even those that have left their session; the task says that it failed."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_tasks(1)
            mpiexec = await job.start_mpi(
                [2],
                ["sh", "-c", "setsid sleep 500 & trap '' TERM; echo up; sleep 500"],
                stdout=sink("out"),
                stderr=sink("err"),
            )
            await until(lambda: list(job.processes().values()).count("sleep") == 4)
            (proxy,) = (p for p, name in job.processes().items() if name == "hydra_pmi_proxy")

            os.kill(proxy, signal.SIGKILL)

            assert await job.ends() == [128 + signal.SIGKILL]
            assert job.processes() == {}
            await asyncio.wait_for(mpiexec.end(0), PATIENCE)

    asyncio.run(run())


def test_ranks_are_found_without_grep_for_zero_bytes(
    new_job: NewJob, sink: Sink, tmp_path: Path
) -> None:
    """As in an Alpine container, whose busybox has no grep -z."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("wget", "tr", "sleep", "hostname", "setsid", "sh"):
        (programs / name).symlink_to(busybox)
    grep = programs / "grep"
    grep.write_text(f'#!{busybox} sh\ncase $1 in *z*) exit 2 ;; esac\nexec {busybox} grep "$@"\n')
    grep.chmod(0o755)

    async def run() -> None:
        async with new_job(busybox, "sh") as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(0, PATH=str(programs))
            assert (await job.hear())[0] == "connected"
            mpiexec = await job.start_mpi(
                [1], ["sh", "-c", "setsid sleep 500"], stdout=sink("out"), stderr=sink("err")
            )
            await until(lambda: "hydra_pmi_proxy" in job.processes().values())
            await until(lambda: "sleep" in job.processes().values())
            (proxy,) = (p for p, name in job.processes().items() if name == "hydra_pmi_proxy")

            os.kill(proxy, signal.SIGKILL)

            assert await job.ends() == [128 + signal.SIGKILL]
            assert job.processes() == {}
            await asyncio.wait_for(mpiexec.end(0), PATIENCE)

    asyncio.run(run())


def test_a_task_that_gets_term_ends_its_ranks(
    new_job: NewJob, sink: Sink, shell: tuple[str, ...]
) -> None:
    """hydra_pmi_proxy ignores TERM; the script does not, even if ranks do."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_tasks(2)
            mpiexec = await job.start_mpi(
                [1, 1],
                ["sh", "-c", "trap '' TERM; while :; do sleep 500; done"],
                stdout=sink("out"),
                stderr=sink("err"),
            )
            await until(lambda: list(job.processes().values()).count("sleep") == 2)

            job.tasks[0].send_signal(signal.SIGTERM)

            first = await asyncio.wait_for(job.tasks[0].wait(), PATIENCE)
            assert first == 128 + signal.SIGTERM
            await asyncio.wait_for(mpiexec.end(0), PATIENCE)
            await job.ends()
            assert job.processes() == {}

    asyncio.run(run())


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
def test_a_job_that_never_ends_is_ended(new_job: NewJob, sink: Sink, deaf: str) -> None:
    """TERM, and KILL where ranks ignore it; tasks end by themselves."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(2)
            mpiexec = await job.start_mpi(
                [1, 1],
                ["sh", "-c", f"{deaf}while :; do sleep 500; done"],
                stdout=sink("out"),
                stderr=sink("err"),
            )
            await until(lambda: list(job.processes().values()).count("sleep") == 2)

            await asyncio.wait_for(mpiexec.end(1.0), PATIENCE)

            await finished(mpiexec)  # with any status: after TERM it depends on the version
            await job.ends()
            assert job.processes() == {}

    asyncio.run(run())


def test_mpiexec_does_not_outlive_a_killed_client(mpich: Mpich, tmp_path: Path) -> None:
    """Even one that is killed without a chance to clean up, with ranks that print nothing."""
    source = textwrap.dedent(f"""
        import asyncio, os, sys
        from pathlib import Path
        from mrunkit.hydra.mpiexec import Output, start_mpiexec

        async def main():
            arguments = ["-launcher", "manual", "-hosts", "127.0.1.1", "-n", "1", "true"]
            mpi = await start_mpiexec(
                Path({str(mpich.mpiexec)!r}), arguments, environ=os.environ, output=Output()
            )
            await mpi.launches()
            print(mpi._process.pid, flush=True)
            await mpi.wait()

        asyncio.run(main())
    """)

    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        pid = int(client.stdout.readline())
        assert Path(f"/proc/{pid}").exists()

        client.kill()

        asyncio.run(until(lambda: not is_running(pid)))


@pytest.mark.parametrize("_", range(5))
def test_nor_one_that_is_killed_while_mpiexec_starts(tmp_path: Path, _: int) -> None:
    """All that this mpiexec does is to kill the client: it has a guard by then."""
    mpiexec, pid_file = tmp_path / "mpiexec.hydra", tmp_path / "pid"
    mpiexec.write_text(f"#!/bin/sh\necho $$ >{pid_file}\nkill -9 $PPID\nexec sleep 1000\n")
    mpiexec.chmod(0o755)
    source = textwrap.dedent(f"""
        import asyncio, os
        from pathlib import Path
        from mrunkit.hydra.mpiexec import Output, start_mpiexec

        async def main():
            mpi = await start_mpiexec(
                Path({str(mpiexec)!r}), [], environ=os.environ, output=Output()
            )
            await mpi.wait()

        asyncio.run(main())
    """)

    client = subprocess.run([sys.executable, "-c", source], check=False, timeout=PATIENCE)

    assert client.returncode == -signal.SIGKILL
    pid = int(pid_file.read_text())
    asyncio.run(until(lambda: not is_running(pid)))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_rank_whose_failure_hydra_forgets_makes_its_proxy_fail(
    new_job: NewJob, sink: Sink
) -> None:
    """hydra_pmi_proxy itself ends well: the other task's rank did so, too."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(2)
            program = with_failure_told(["sh", "-c", "exit $((PMI_RANK * 3))"], "4.2.1", patience=0)
            mpiexec = await job.start_mpi([1, 1], program, stdout=sink("out"), stderr=sink("err"))
            assert await finished(mpiexec) == 3
            assert await job.ends() == [0, FAILED_RANK_STATUS + 3]

    asyncio.run(run())
