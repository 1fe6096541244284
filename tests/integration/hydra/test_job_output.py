"""What ranks of the real MPICH read and write, and who reads it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from waiting import PATIENCE, finished, until

from mrunkit.hydra.installation import Mpich

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
Sink = Callable[[str], int]


def test_large_output_is_whole_and_streams_stay_apart(
    new_job: NewJob, sink: Sink, tmp_path: Path
) -> None:
    """20 MB on stdout, 2 MB on stderr, byte for byte."""
    script = textwrap.dedent("""
        import os
        def write(fd, byte, megabytes):
            for _ in range(megabytes * 16):
                data = byte * 65536
                while data:
                    data = data[os.write(fd, data):]
        write(1, b"o", 10), write(2, b"e", 1), write(1, b"o", 10), write(2, b"e", 1)
    """)

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(1)
            mpiexec = await job.start_mpi(
                [1], [sys.executable, "-c", script], stdout=sink("out"), stderr=sink("err")
            )
            assert await finished(mpiexec) == 0

    asyncio.run(run())

    assert (tmp_path / "out").read_bytes() == b"o" * (20 << 20)
    assert (tmp_path / "err").read_bytes() == b"e" * (2 << 20)


def test_labelled_lines_are_whole(new_job: NewJob, sink: Sink, tmp_path: Path) -> None:
    """However mpiexec's pieces fall."""
    script = "import os; print((os.environ['PMI_RANK'] * 70 + chr(10)) * 3000 + 'end')"

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(2)
            mpiexec = await job.start_mpi(
                [2, 1],
                [sys.executable, "-c", script],
                stdout=sink("out"),
                stderr=sink("err"),
                label=True,
            )
            assert await finished(mpiexec) == 0

    asyncio.run(run())

    lines = (tmp_path / "out").read_text().splitlines()
    for rank in "012":
        own = [line.removeprefix(f"[{rank}] ") for line in lines if line.startswith(f"[{rank}] ")]
        assert own == [rank * 70] * 3000 + ["end"]
    assert len(lines) == 3 * 3001


def test_a_reader_that_sleeps_does_not_keep_an_ended_job(new_job: NewJob, sink: Sink) -> None:
    """Output backs up into the ranks while nobody reads, and the end still comes."""

    async def run() -> None:
        reading, writing = os.pipe()
        try:
            async with new_job() as job:
                await job.start_tasks(1)
                mpiexec = await job.start_mpi([1], ["yes"], stdout=writing, stderr=sink("err"))
                await until(lambda: "yes" in job.processes().values())
                wait = asyncio.ensure_future(mpiexec.wait())
                await asyncio.wait_for(mpiexec.end(0.2), PATIENCE)
                await asyncio.wait_for(wait, PATIENCE)
                await job.ends()
                assert job.processes() == {}
        finally:
            os.close(reading)
            os.close(writing)

    asyncio.run(run())


def test_a_reader_that_went_away_is_reported_once(new_job: NewJob, sink: Sink) -> None:
    """As with `| head`; the rest of the output is dropped, and mpiexec does not wait."""

    async def run() -> None:
        reading, writing = os.pipe()
        os.close(reading)
        errors: asyncio.Queue[OSError] = asyncio.Queue()
        try:
            async with new_job() as job:
                await job.start_tasks(1)
                mpiexec = await job.start_mpi(
                    [1],
                    ["sh", "-c", "head -c 5000000 /dev/zero"],
                    stdout=writing,
                    stderr=sink("err"),
                    on_write_failed=errors.put_nowait,
                )
                assert isinstance(await errors.get(), BrokenPipeError)
                assert await finished(mpiexec) == 0
                assert errors.empty()
        finally:
            os.close(writing)

    asyncio.run(run())


def test_a_slow_terminal_that_does_not_block_loses_nothing(
    new_job: NewJob, tmp_path: Path, sink: Sink
) -> None:
    """Another program may have made the terminal non-blocking."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(1)
            mpiexec = await job.start_mpi(
                [1], ["head", "-c", "3000000", "/dev/zero"], stdout=writing, stderr=sink("err")
            )
            assert await finished(mpiexec) == 0

    slow = ["sh", "-c", "sleep 1; wc -c"]
    with subprocess.Popen(slow, stdin=reading, stdout=subprocess.PIPE) as reader:
        os.close(reading)
        asyncio.run(run())
        os.close(writing)
        assert reader.stdout is not None
        assert int(reader.stdout.read()) == 3000000


def test_the_clients_stdin_goes_to_rank_0(mpich: Mpich, tmp_path: Path) -> None:
    """From whatever it is, to its end; the others get none of it."""
    script = "[ $PMI_RANK = 0 ] && exec sort; exit 0"
    source = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from conftest import running_job
        from mrunkit.hydra.installation import Mpich

        async def main():
            mpich = Mpich(mpiexec=Path({str(mpich.mpiexec)!r}), version={mpich.version!r})
            async with running_job(mpich, Path({str(tmp_path)!r})) as job:
                await job.start_tasks(2)
                mpi = await job.start_mpi([1, 1], ["sh", "-c", {script!r}], stdout=1, stderr=2)
                return await mpi.wait()

        sys.exit(asyncio.run(main()))
    """)

    client = subprocess.run(
        [sys.executable, "-c", source],
        input="b\na\n" * 5000,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (client.returncode, client.stderr) == (0, "")
    assert client.stdout == "a\n" * 5000 + "b\n" * 5000
