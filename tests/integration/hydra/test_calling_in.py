"""Tasks that call in: proxy.sh with the programs of its host, up to its launch line."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from mrunkit.hydra.lines import ProxyLaunch

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
TOKEN = "a-token-for-tests"


def programs_with(directory: Path, program: str) -> Path:
    """A directory for PATH that has, of all that can fetch from a server, only `program`."""
    directory.mkdir()
    # Not a python3 that is a script in want of other programs, as version switchers have it.
    found = sys.executable if program == "python3" else shutil.which(program.split()[0])
    if found is None:
        pytest.skip(f"no {program}")
    (directory / program.split()[-1]).symlink_to(Path(found).resolve())
    for name in ("env", "sleep", "grep", "tr"):
        (directory / name).symlink_to(shutil.which(name) or name)
    return directory


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")


@pytest.mark.parametrize("program", ["bash", "curl", "python3", "wget", "busybox wget"])
def test_any_of_the_programs_that_an_image_may_have_will_do(
    new_job: NewJob, tmp_path: Path, program: str
) -> None:
    """Each alone delivers address and version, and the words of the answer as they are."""
    # A proxy that tells its arguments and what of the job's variables it sees.
    fake = tmp_path / "bin" / "hydra_pmi_proxy"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >told\nenv | grep TOKEN >>told\nexit 3\n')
    (fake.parent / "mpiexec.hydra").write_text('#!/bin/sh\necho "H:"; echo "  Version:   9.8 "\n')
    for file in fake.parent.iterdir():
        file.chmod(0o755)
    programs = programs_with(tmp_path / "programs", program)
    words = ("--control-port", "h:1", "$(touch x)", "*", "a'b", "--proxy-id", "0")

    async def run() -> None:
        async with new_job(shutil.which("sh")) as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(
                0, PATH=str(programs), MRUNKIT_PROXY=str(fake), http_proxy="http://127.0.0.1:9"
            )
            assert await job.hear() == ("connected", job.task_id(0), "127.0.1.1", "9.8")
            asked = ProxyLaunch(0, "/x", "h", 1, words)
            assert job.rendezvous.answer(job.task_id(0), asked)
            assert await job.ends() == [3]

    asyncio.run(run())

    assert (tmp_path / "told").read_text().splitlines() == list(words)


@pytest.mark.parametrize("program", ["bash", "curl", "python3"])
def test_the_token_is_not_in_the_list_of_processes(
    new_job: NewJob, tmp_path: Path, program: str
) -> None:
    """Anybody on the agent may read that."""
    programs = programs_with(tmp_path / "programs", program)

    async def run() -> None:
        async with new_job(shutil.which("sh")) as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(0, PATH=str(programs))
            assert (await job.hear())[0] == "connected"
            processes = job.processes()
            assert [name for name in processes.values() if name.startswith(program)]
            assert not [pid for pid in processes if TOKEN in command_line(pid)]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"MRUNKIT_PROXY": "/nonexistent/hydra_pmi_proxy", "PATH": "/usr/bin:/bin"}, "no-proxy"),
        ({"MRUNKIT_WORKDIR": "/proc/no-such-directory"}, "no-workdir"),
    ],
)
def test_a_task_that_cannot_work_says_why(
    new_job: NewJob, variables: dict[str, str], problem: str
) -> None:
    """Before MPI exists, and it ends by itself."""
    if problem == "no-proxy" and shutil.which("hydra_pmi_proxy", path="/usr/bin:/bin"):
        pytest.skip("this machine has a hydra_pmi_proxy in /usr/bin")

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(0, **variables)
            assert await job.hear() == ("problem", job.task_id(0), problem)
            assert await job.ends() == [69]

    asyncio.run(run())


def test_a_task_with_a_wrong_token_ends_and_is_not_heard_of(new_job: NewJob) -> None:
    """It is refused at once."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(0, MRUNKIT_TOKEN="another")
            assert await job.ends() == [69]
            assert job.heard.empty()

    asyncio.run(run())


def test_tasks_end_when_the_rendezvous_does(new_job: NewJob, shell: tuple[str, ...]) -> None:
    """A client that is gone leaves nobody waiting."""

    async def run() -> None:
        async with new_job(*shell) as job:
            for number in range(2):
                job.rendezvous.expect(job.task_id(number))
                await job.start_task(number)
                await job.hear()
            await job.rendezvous.close()
            assert await job.ends() == [69, 69]
            assert job.processes() == {}

    asyncio.run(run())


def test_a_waiting_task_that_gets_term_is_lost(new_job: NewJob, shell: tuple[str, ...]) -> None:
    """The rendezvous hears of it, and nothing of the task is left."""

    async def run() -> None:
        async with new_job(*shell) as job:
            job.rendezvous.expect(job.task_id(0))
            task = await job.start_task(0)
            assert (await job.hear())[0] == "connected"
            task.send_signal(signal.SIGTERM)
            assert await job.hear() == ("lost", job.task_id(0))
            assert await job.ends() == [128 + signal.SIGTERM]
            assert job.processes() == {}

    asyncio.run(run())


def test_a_dismissed_task_ends_quietly(new_job: NewJob) -> None:
    """It was replaced: nobody needs to hear that it is lost."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(0)
            await job.hear()
            job.rendezvous.dismiss(job.task_id(0))
            assert await job.ends() == [69]
            assert job.heard.empty()
            assert not job.rendezvous.answer(job.task_id(0), ProxyLaunch(0, "/x", "h", 1, ()))

    asyncio.run(run())
