"""Whole jobs: tasks that call in, mpiexec, and ranks of the real MPICH."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE, finished, until

from mrunkit.hydra.arguments import mpiexec_arguments
from mrunkit.hydra.attached import read_connected
from mrunkit.hydra.installation import Mpich
from mrunkit.hydra.mpiexec import MpiexecError, Output, start_mpiexec
from mrunkit.scheduler.job import Distribution

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
Sink = Callable[[str], int]


def test_ten_ranks_on_four_hosts_say_hello(
    new_job: NewJob, sink: Sink, tmp_path: Path, hello: str, shell: tuple[str, ...]
) -> None:
    """From the call-in to the end, in every shell there is, and nothing is left."""

    async def run() -> None:
        async with new_job(*shell) as job:
            await job.start_tasks(4)
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
            await job.start_tasks(3)
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
    """Neither the token nor the client's environment; the directory is the task's."""
    os.environ["CLIENTS_OWN"] = "secret"

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(1)
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


@pytest.mark.parametrize("bind", ["", "address"])
def test_mpi_keeps_to_the_interface_of_the_hosts_address(
    new_job: NewJob, sink: Sink, tmp_path: Path, bind: str
) -> None:
    """Docker's bridges have the same addresses on all hosts: MPICH would connect to itself."""
    addresses = (
        "1: lo inet 127.0.0.1/8\\n2: docker0 inet 172.17.0.1/16\\n3: lan0 inet 10.9.8.7/24\\n"
    )
    ip = tmp_path / "ip"
    ip.write_text(f"#!/bin/sh\nprintf '{addresses}'\n")
    ip.chmod(0o755)

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect(job.task_id(0))
            await job.start_task(
                0,
                PATH=f"{tmp_path}:{os.environ['PATH']}",
                MRUNKIT_ADDRESS="10.9.8.7",
                MRUNKIT_BIND=bind,
            )
            await job.hear()
            mpiexec = await job.start_mpi(
                [1], ["env"], stdout=sink("out"), stderr=sink("err"), hosts=["10.9.8.7"]
            )
            assert await finished(mpiexec) == 0

    asyncio.run(run())

    infiniband = Path("/sys/class/infiniband")
    has_infiniband = infiniband.exists() and any(infiniband.iterdir())
    lines = (tmp_path / "out").read_text().splitlines()
    assert {"FI_TCP_IFACE=lan0", "FI_SOCKETS_IFACE=lan0"} <= set(lines)
    assert ("UCX_NET_DEVICES=lan0" in lines) == bool(bind or not has_infiniband)


def test_every_argument_arrives_as_it_was_given(
    new_job: NewJob, sink: Sink, tmp_path: Path
) -> None:
    """Empty ones, options of mpiexec, colons, quotes and newlines."""
    words = ["", "-n", "3", ":", "a b", "$HOME `id`", "it's", 'a"b', "x\ny", "é", "*", "--", ":"]

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(1)
            program = [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
            mpiexec = await job.start_mpi([1], program, stdout=sink("out"), stderr=sink("err"))
            assert await finished(mpiexec) == 0

    asyncio.run(run())

    assert (tmp_path / "out").read_text() == f"{words}\n"


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


def test_who_has_connected_can_be_told(new_job: NewJob, sink: Sink) -> None:
    """By the connections to mpiexec's control port: one of two proxies never comes."""

    async def run() -> None:
        async with new_job() as job:
            await job.start_tasks(1)
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
            assert read_connected(port) == ()

            job.rendezvous.answer(job.task_id(0), launches[0])

            await until(lambda: len(read_connected(port)) == 1)
            await asyncio.wait_for(mpiexec.end(0.2), PATIENCE)
            await finished(mpiexec)
            await job.ends()

    asyncio.run(run())
