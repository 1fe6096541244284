"""What MPICH leaves on a host when it is cut short, and who clears it away."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, until

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
Sink = Callable[[str], int]

PICTURES = "hydra_hwloc_xmlfile_"
MEMORY = "mpich_sh"
NOBODY = 65534
SEES_ALL = Path("/proc/self/ns/pid").readlink() == Path("pid:[4026531836]")
"""Whether no process can be hidden from us; elsewhere memory has to be a minute old."""
LONG_AGO = 1e9


def pictures() -> set[Path]:
    return set(Path("/tmp").glob(f"{PICTURES}*"))


def memory() -> set[Path]:
    return set(Path("/dev/shm").glob(f"{MEMORY}*"))


@contextlib.contextmanager
def file_in(directory: str, prefix: str) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=prefix, dir=directory)
    os.write(handle, b"to be mapped")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_files_and_memory_of_ranks_that_were_killed_are_cleared_away(
    new_job: NewJob, sink: Sink, tmp_path: Path, forever: str, shell: tuple[str, ...]
) -> None:
    """Both are there while the job runs, or this test would show nothing."""
    before = pictures() | memory()

    async def run() -> set[Path]:
        async with new_job(*shell) as job:
            await job.start_tasks(2)
            mpiexec = await job.start_mpi([2, 2], [forever], stdout=sink("out"), stderr=sink("err"))
            await until(lambda: lines(tmp_path / "out") == 4)  # past MPI_Init
            there = (pictures() | memory()) - before
            assert there & pictures()
            assert there & memory()

            await asyncio.wait_for(mpiexec.end(0), PATIENCE)
            for task in job.tasks:
                with contextlib.suppress(ProcessLookupError):
                    task.send_signal(signal.SIGTERM)
            await job.ends()
            return there

    there = asyncio.run(run())
    assert not there & pictures()
    if SEES_ALL:
        assert not there & memory()
    for left in there & memory():
        left.unlink()


def test_what_others_own_or_use_is_left_alone(
    new_job: NewJob, sink: Sink, shell: tuple[str, ...]
) -> None:
    """Another user's files, and memory that a running process of ours maps."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_tasks(1)
            mpiexec = await job.start_mpi(
                [1], ["sh", "-c", "kill -9 $PPID"], stdout=sink("out"), stderr=sink("err")
            )
            assert await job.ends() == [128 + signal.SIGKILL]
            await asyncio.wait_for(mpiexec.end(0), PATIENCE)

    with (
        file_in("/tmp", PICTURES) as anothers_picture,
        file_in("/dev/shm", MEMORY) as anothers_memory,
        file_in("/dev/shm", MEMORY) as mapped,
        file_in("/dev/shm", MEMORY) as abandoned,
        file_in("/dev/shm", MEMORY) as abandoned_long_ago,
        mapped.open("r+b") as opened,
        mmap.mmap(opened.fileno(), 0),
    ):
        os.chown(anothers_picture, NOBODY, NOBODY)
        os.chown(anothers_memory, NOBODY, NOBODY)
        for old in (anothers_memory, mapped, abandoned_long_ago):
            os.utime(old, (LONG_AGO, LONG_AGO))
        asyncio.run(run())
        assert anothers_picture.exists()
        assert anothers_memory.exists()
        assert mapped.exists()
        assert abandoned.exists() != SEES_ALL
        assert not abandoned_long_ago.exists()
