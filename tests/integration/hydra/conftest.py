"""Real MPICH over loopback addresses: a rendezvous, mpiexec, and a shell for each task."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from waiting import PATIENCE

from mrunkit.hydra.arguments import mpiexec_arguments
from mrunkit.hydra.installation import Mpich, find_mpiexec, inspect_mpich
from mrunkit.hydra.mpiexec import Mpiexec, Output, start_mpiexec
from mrunkit.hydra.proxy import proxy_script
from mrunkit.hydra.rendezvous import Problem, Rendezvous
from mrunkit.scheduler.job import Distribution

TOKEN = "a-token-for-tests"


@dataclass
class Job:
    """One job in the making; `heard` is all that the rendezvous told."""

    mpich: Mpich
    directory: Path
    rendezvous: Rendezvous
    shell: tuple[str, ...] = ("sh",)
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    tasks: list[asyncio.subprocess.Process] = field(default_factory=list)
    heard: asyncio.Queue[tuple[str, ...]] = field(default_factory=asyncio.Queue)

    def task_id(self, number: int) -> str:
        return f"{self.name}.{number}"

    async def start_task(self, number: int, **variables: str) -> asyncio.subprocess.Process:
        environ = {
            "PATH": os.environ["PATH"],
            "MRUNKIT_RENDEZVOUS": self.rendezvous.url,
            "MRUNKIT_TOKEN": TOKEN,
            "MRUNKIT_TASK": self.task_id(number),
            "MRUNKIT_ADDRESS": f"127.0.1.{number + 1}",
            "MRUNKIT_PROXY": str(self.mpich.proxy),
            **variables,
        }
        task = await asyncio.create_subprocess_exec(
            *self.shell,
            "-c",
            proxy_script(),
            env=environ,
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self.tasks.append(task)
        return task

    async def start_tasks(self, count: int) -> None:
        """Start `count` tasks and wait until all are ready."""
        for number in range(count):
            self.rendezvous.expect(self.task_id(number))
            await self.start_task(number)
        heard = [await self.hear() for _ in range(count)]
        assert sorted(heard) == [
            ("connected", self.task_id(number), f"127.0.1.{number + 1}", self.mpich.version)
            for number in range(count)
        ]

    async def hear(self) -> tuple[str, ...]:
        return await asyncio.wait_for(self.heard.get(), PATIENCE)

    async def start_mpi(
        self,
        ranks_per_host: list[int],
        program: list[str],
        *,
        stdout: int,
        stderr: int,
        label: bool = False,
        hosts: list[str] | None = None,
        on_write_failed: Callable[[OSError], None] = lambda error: None,
    ) -> Mpiexec:
        """Start mpiexec over the tasks and answer them."""
        own = [f"127.0.1.{number + 1}" for number in range(len(ranks_per_host))]
        arguments = mpiexec_arguments(
            hosts=hosts or own,
            ranks_per_host=ranks_per_host,
            distribution=Distribution.CYCLIC,
            localhost="127.0.0.1",
            env={"GIVEN": "yes"},
            program=program,
            label=label,
        )
        output = Output(
            stdout=stdout, stderr=stderr, is_labelled=label, on_write_failed=on_write_failed
        )
        mpiexec = await start_mpiexec(
            self.mpich.mpiexec,
            arguments,
            environ=os.environ,
            hidden={"GIVEN": "yes"},
            output=output,
        )
        launches = await asyncio.wait_for(mpiexec.launches(), PATIENCE)
        for number, launch in enumerate(launches):
            assert self.rendezvous.answer(self.task_id(number), launch)
        return mpiexec

    async def ends(self) -> list[int]:
        """Wait for all tasks; returns their statuses."""
        waits = (task.wait() for task in self.tasks)
        return list(await asyncio.wait_for(asyncio.gather(*waits), PATIENCE))

    def processes(self) -> dict[int, str]:
        """What runs with the marker of this job's tasks: pids and programs."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (
                    f"MRUNKIT_RANKS_OF={self.name}.".encode()
                    in (directory / "environ").read_bytes()
                ):
                    program = (directory / "cmdline").read_bytes().split(b"\0")[0].decode()
                    found[int(directory.name)] = Path(program).name
        return found


@contextlib.asynccontextmanager
async def running_job(
    mpich: Mpich,
    directory: Path,
    shell: tuple[str, ...] = ("sh",),
    *,
    request_seconds: float = 10.0,
) -> AsyncIterator[Job]:
    heard: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    def on_problem(task_id: str, problem: Problem) -> None:
        heard.put_nowait(("problem", task_id, problem.value))

    async with Rendezvous(
        address="127.0.0.1",
        new_token=lambda: TOKEN,
        on_connected=lambda *told: heard.put_nowait(("connected", *told)),
        on_lost=lambda task_id: heard.put_nowait(("lost", task_id)),
        on_problem=on_problem,
        request_seconds=request_seconds,
    ) as rendezvous:
        job = Job(mpich=mpich, directory=directory, rendezvous=rendezvous, shell=shell, heard=heard)
        try:
            yield job
        finally:
            for task in job.tasks:
                if task.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(task.pid, signal.SIGKILL)
                    await task.wait()
            for pid in job.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def mpich() -> Mpich:
    """The MPICH of MRUNKIT_MPIEXEC, or else the one beside this Python."""
    named = os.environ.get("MRUNKIT_MPIEXEC")
    if named is None and not (Path(sys.executable).parent / "mpiexec.hydra").exists():
        pytest.skip("no MPICH beside this Python")
    return asyncio.run(inspect_mpich(find_mpiexec(named), dict(os.environ)))


@pytest.fixture
def new_job(
    mpich: Mpich, tmp_path: Path
) -> Callable[..., contextlib.AbstractAsyncContextManager[Job]]:
    def make(
        *shell: str, request_seconds: float = 10.0
    ) -> contextlib.AbstractAsyncContextManager[Job]:
        return running_job(mpich, tmp_path, shell or ("sh",), request_seconds=request_seconds)

    return make


def compiled(mpich: Mpich, directory: Path, name: str) -> str:
    source = Path(__file__).parents[3] / "examples" / f"{name}.c"
    program = directory / name
    compiler = str(mpich.mpiexec.parent / "mpicc")
    subprocess.run([compiler, "-o", str(program), str(source)], check=True)
    return str(program)


@pytest.fixture(scope="session")
def hello(mpich: Mpich, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled hello_world of the examples."""
    return compiled(mpich, tmp_path_factory.mktemp("programs"), "hello_world")


@pytest.fixture(scope="session")
def forever(mpich: Mpich, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled example that never ends."""
    return compiled(mpich, tmp_path_factory.mktemp("programs"), "forever")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[[str], int]]:
    """Open a file to write to, by name."""
    with contextlib.ExitStack() as opened:

        def open_file(name: str) -> int:
            return opened.enter_context((tmp_path / name).open("wb", buffering=0)).fileno()

        yield open_file


def shells() -> list[tuple[str, ...]]:
    known: list[tuple[str, ...]] = [("dash",), ("bash",), ("busybox", "sh")]
    return [shell for shell in known if shutil.which(shell[0])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `shell` all that this machine has."""
    if "shell" in metafunc.fixturenames:
        metafunc.parametrize("shell", shells(), ids=" ".join)
