"""Whole jobs: containers that call in, mpiexec, and ranks of the real MPICH."""

from __future__ import annotations

import asyncio
import os
import re
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
from waiting import PATIENCE, until

from mrunkit.errors import ExitStatus
from mrunkit.hydra.arguments import mpiexec_arguments
from mrunkit.hydra.attached import missing_hosts, read_connected
from mrunkit.hydra.installation import Mpich
from mrunkit.hydra.mpiexec import Mpiexec, MpiexecError, Output, start_mpiexec
from mrunkit.hydra.proxy import FAILED_RANK_STATUS
from mrunkit.hydra.rank import with_failure_told
from mrunkit.hydra.verdict import verdict
from mrunkit.scheduler.job import Distribution

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
Sink = Callable[[str], int]


async def finished(mpiexec: Mpiexec) -> int:
    return await asyncio.wait_for(mpiexec.wait(), PATIENCE)


def test_ten_ranks_on_four_hosts_say_hello(
    new_job: NewJob, sink: Sink, tmp_path: Path, hello: str, shell: tuple[str, ...]
) -> None:
    """From the call-in to the end, in every shell there is, and nothing is left."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_containers(4)
            mpiexec = await job.start_mpi(
                [3, 3, 2, 2], [hello], stdout=sink("out"), stderr=sink("err")
            )
            assert await finished(mpiexec) == 0
            assert await job.ends() == [0, 0, 0, 0]
            assert job.processes() == {}

    asyncio.run(run())

    ranks = re.findall(r"rank\D*(\d+)", (tmp_path / "out").read_text())
    assert sorted(map(int, ranks)) == list(range(10))
    assert (tmp_path / "err").read_text() == ""


def test_two_nodes_may_have_one_address(
    new_job: NewJob, sink: Sink, tmp_path: Path, hello: str
) -> None:
    """Agents that share a machine: as many proxies as nodes, and their ranks find each other."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(3)
            mpiexec = await job.start_mpi(
                [2, 2, 1],
                [hello],
                stdout=sink("out"),
                stderr=sink("err"),
                hosts=["127.0.1.1", "127.0.1.1", "127.0.1.2"],
            )
            assert await finished(mpiexec) == 0
            assert await job.ends() == [0, 0, 0]

    asyncio.run(run())

    assert len((tmp_path / "out").read_text().splitlines()) == 5


def test_ranks_get_what_was_given_and_no_secret(
    new_job: NewJob, sink: Sink, tmp_path: Path
) -> None:
    """Neither the token nor the client's environment; the directory is the container's."""
    os.environ["CLIENTS_OWN"] = "secret"

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(1)
            script = "env; pwd"
            mpiexec = await job.start_mpi(
                [1], ["sh", "-c", script], stdout=sink("out"), stderr=sink("err")
            )
            assert await finished(mpiexec) == 0

    try:
        asyncio.run(run())
    finally:
        del os.environ["CLIENTS_OWN"]

    lines = (tmp_path / "out").read_text().splitlines()
    assert "GIVEN=yes" in lines
    assert lines[-1] == str(tmp_path)
    assert not [line for line in lines if "CLIENTS_OWN" in line or "a-token" in line]
    assert not [line for line in lines if line.startswith(("MRUNKIT_TOKEN", "MRUNKIT_REND"))]


def test_every_argument_arrives_as_it_was_given(
    new_job: NewJob, sink: Sink, tmp_path: Path
) -> None:
    """Empty ones, options of mpiexec, colons, quotes and newlines."""
    words = ["", "-n", "3", ":", "a b", "$HOME `id`", "it's", 'a"b', "x\ny", "é", "*", "--", ":"]

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(1)
            program = [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
            mpiexec = await job.start_mpi([1], program, stdout=sink("out"), stderr=sink("err"))
            assert await finished(mpiexec) == 0

    asyncio.run(run())

    assert (tmp_path / "out").read_text() == f"{words}\n"


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
            await job.start_containers(1)
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
            await job.start_containers(2)
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


def test_statuses_of_ranks_are_ored(new_job: NewJob, sink: Sink) -> None:
    """As mpiexec does it: 1 and 4 give 5."""

    async def run() -> int:
        async with new_job() as job:
            await job.start_containers(2)
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
            await job.start_containers(1)
            mpiexec = await job.start_mpi([1], words, stdout=sink("out"), stderr=sink("err"))
            returncode = await finished(mpiexec)
            return verdict(returncode, mpiexec.stderr_tail, mpiexec.stdout_tail).exit_status

    assert asyncio.run(run([program])) == status
    assert asyncio.run(run([program, ":"])) == status


def test_a_proxy_that_is_killed_takes_its_ranks_along(
    new_job: NewJob, sink: Sink, shell: tuple[str, ...]
) -> None:
    """Even those that have left their session; the container says that it failed."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_containers(1)
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
            await job.start_container(0, PATH=str(programs))
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


def test_a_container_that_gets_term_ends_its_ranks(
    new_job: NewJob, sink: Sink, shell: tuple[str, ...]
) -> None:
    """hydra_pmi_proxy ignores TERM; the script does not, even if ranks do."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_containers(2)
            mpiexec = await job.start_mpi(
                [1, 1],
                ["sh", "-c", "trap '' TERM; while :; do sleep 500; done"],
                stdout=sink("out"),
                stderr=sink("err"),
            )
            await until(lambda: list(job.processes().values()).count("sleep") == 2)

            job.containers[0].send_signal(signal.SIGTERM)

            first = await asyncio.wait_for(job.containers[0].wait(), PATIENCE)
            assert first == 128 + signal.SIGTERM
            await asyncio.wait_for(mpiexec.end(0), PATIENCE)
            await job.ends()
            assert job.processes() == {}

    asyncio.run(run())


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
def test_a_job_that_never_ends_is_ended(new_job: NewJob, sink: Sink, deaf: str) -> None:
    """TERM, and KILL where ranks ignore it; containers end by themselves."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(2)
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


def test_a_reader_that_sleeps_does_not_keep_an_ended_job(new_job: NewJob, sink: Sink) -> None:
    """Output backs up into the ranks while nobody reads, and the end still comes."""

    async def run() -> None:
        reading, writing = os.pipe()
        try:
            async with new_job() as job:
                await job.start_containers(1)
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
                await job.start_containers(1)
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
            await job.start_containers(1)
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
                await job.start_containers(2)
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


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_an_mpiexec_that_refuses_to_start_is_an_error(mpich: Mpich, sink: Sink) -> None:
    """With its own words, at once."""

    async def run() -> None:
        mpiexec = await start_mpiexec(
            mpich.mpiexec,
            ["-nosuchoption"],
            environ=os.environ,
            output=Output(stdout=sink("out"), stderr=sink("err")),
        )
        await asyncio.wait_for(mpiexec.launches(), PATIENCE)

    with pytest.raises(MpiexecError, match="unrecognized argument nosuchoption"):
        asyncio.run(run())


def test_an_mpiexec_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Which names it."""
    with pytest.raises(MpiexecError, match="No such file"):
        asyncio.run(
            start_mpiexec(tmp_path / "mpiexec.hydra", [], environ=os.environ, output=Output())
        )


def test_who_has_not_connected_can_be_told(new_job: NewJob, sink: Sink) -> None:
    """By the connections to mpiexec's control port: one of two proxies never comes."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(1)
            arguments = mpiexec_arguments(
                hosts=["127.0.1.1", "127.0.1.2"],
                ranks_per_host=[1, 1],
                distribution=Distribution.BLOCK,
                localhost="127.0.0.1",
                env={},
                program=["sleep", "500"],
            )
            mpiexec = await start_mpiexec(
                job.mpich.mpiexec,
                arguments,
                environ=os.environ,
                output=Output(stdout=sink("out"), stderr=sink("err")),
            )
            launches = await asyncio.wait_for(mpiexec.launches(), PATIENCE)
            port = launches[0].control_port
            assert missing_hosts(["127.0.1.1", "127.0.1.2"], read_connected(port)) == (
                "127.0.1.1",
                "127.0.1.2",
            )

            job.rendezvous.answer(job.task_id(0), launches[0])

            await until(lambda: len(read_connected(port)) == 1)
            await asyncio.wait_for(mpiexec.end(0.2), PATIENCE)
            await finished(mpiexec)
            await job.ends()

    asyncio.run(run())


def test_a_rank_whose_failure_hydra_forgets_makes_its_proxy_fail(
    new_job: NewJob, sink: Sink
) -> None:
    """hydra_pmi_proxy itself ends well: the other container's rank did so, too."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_containers(2)
            program = with_failure_told(["sh", "-c", "exit $((PMI_RANK * 3))"], "4.2.1", patience=0)
            mpiexec = await job.start_mpi([1, 1], program, stdout=sink("out"), stderr=sink("err"))
            assert await finished(mpiexec) == 3
            assert await job.ends() == [0, FAILED_RANK_STATUS + 3]

    asyncio.run(run())
