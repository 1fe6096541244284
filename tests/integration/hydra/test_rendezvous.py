"""The rendezvous, and whatever connects to it: requests of tasks, and all others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from mrunkit.hydra.lines import ProxyLaunch, parse_launch_line
from mrunkit.hydra.rendezvous import (
    LONGEST_REQUEST,
    MOST_STRANGERS,
    Rendezvous,
    RendezvousError,
    route_address,
)

NewJob = Callable[..., AbstractAsyncContextManager[Any]]
PATIENCE = 60.0
TOKEN = "a-token-for-tests"


def launch(proxy_id: int = 0) -> ProxyLaunch:
    return parse_launch_line(
        f"HYDRA_LAUNCH: /bin/hydra_pmi_proxy --control-port h:1 --proxy-id {proxy_id}"
    )


class Caller:
    """A plain connection to a rendezvous, that sends what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, url: str) -> Caller:
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    @classmethod
    async def call(cls, url: str, task_id: str, token: str = TOKEN, **headers: str) -> Caller:
        caller = await cls.connect(url)
        lines = ["GET / HTTP/1.1", f"Authorization: Bearer {token}", f"Mrunkit-Task: {task_id}"]
        lines += [f"Mrunkit-{name}: {value}" for name, value in headers.items()]
        caller.writer.write("\r\n".join([*lines, "", ""]).encode())
        return caller

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body; status 0 if there was none."""
        try:
            text = await asyncio.wait_for(self.reader.read(), PATIENCE)
        except ConnectionError:
            text = b""
        await self.hang_up()
        head, _, body = text.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, body

    async def hang_up(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.mark.parametrize(
    ("task_id", "token", "status"),
    [("t.0", "wrong", 403), ("t.0", "", 403), ("t.0", TOKEN + "x", 403), ("t.9", TOKEN, 403)],
)
def test_who_is_not_expected_is_refused(
    new_job: NewJob, task_id: str, token: str, status: int
) -> None:
    """Whether the token or the task is wrong."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect("t.0")
            caller = await Caller.call(job.rendezvous.url, task_id, token)
            assert await caller.answer() == (status, b"")
            assert job.heard.empty()

    asyncio.run(run())


def test_a_token_is_one_tasks_own() -> None:
    """Who sees that of one task cannot call in for another."""

    async def run() -> None:
        nothing: Callable[..., None] = lambda *told: None  # noqa: E731
        tokens = iter(("first", "second"))
        connected: asyncio.Queue[str] = asyncio.Queue()
        async with Rendezvous(
            address="127.0.0.1",
            new_token=lambda: next(tokens),
            on_connected=lambda task_id, *_: connected.put_nowait(task_id),
            on_lost=nothing,
            on_problem=nothing,
        ) as rendezvous:
            assert [rendezvous.expect(task_id) for task_id in ("t.0", "t.1")] == ["first", "second"]
            stranger = await Caller.call(rendezvous.url, "t.1", "first")
            assert await stranger.answer() == (403, b"")
            task = await Caller.call(rendezvous.url, "t.1", "second")
            assert await asyncio.wait_for(connected.get(), PATIENCE) == "t.1"
            await task.hang_up()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"EHLO mail\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100000, 0),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * LONGEST_REQUEST * 4 + b"\r\n\r\n", 0),
        (b"GET / HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", 403),
    ],
    ids=["tls", "smtp", "upgrade", "body", "huge", "bytes"],
)
def test_garbage_is_shown_the_door(new_job: NewJob, garbage: bytes, status: int) -> None:
    """And the next task is served."""

    async def run() -> None:
        async with new_job() as job:
            stranger = await Caller.connect(job.rendezvous.url)
            stranger.writer.write(garbage)
            assert await stranger.answer() == (status, b"")

            job.rendezvous.expect("t.0")
            caller = await Caller.call(job.rendezvous.url, "t.0", Address="10.0.0.1")
            assert await job.hear() == ("connected", "t.0", "10.0.0.1", "")
            await caller.hang_up()

    asyncio.run(run())


def test_who_sends_too_slowly_is_cut_off(new_job: NewJob) -> None:
    """A byte now and then does not extend the time."""

    async def run() -> None:
        async with new_job(request_seconds=0.5) as job:
            slow = await Caller.connect(job.rendezvous.url)

            slow.writer.write(b"GET / HTTP/1.1\r\nX: ")

            async def drip() -> None:
                while True:
                    slow.writer.write(b"x")
                    await asyncio.sleep(0.05)

            dripping = asyncio.ensure_future(drip())
            assert await slow.answer() == (0, b"")
            dripping.cancel()

    asyncio.run(run())


def test_a_task_that_has_sent_its_request_may_wait_for_long(new_job: NewJob) -> None:
    """The time for the request is not one for the gang."""

    async def run() -> None:
        async with new_job(request_seconds=0.1) as job:
            job.rendezvous.expect("t.0")
            caller = await Caller.call(job.rendezvous.url, "t.0")
            await job.hear()
            await asyncio.sleep(0.5)
            assert job.heard.empty()
            assert job.rendezvous.answer("t.0", launch())
            assert await caller.answer() == (200, launch().answer())

    asyncio.run(run())


def test_many_held_connections_cost_strangers_only(new_job: NewJob) -> None:
    """Tasks that wait stay, tasks that come are served, the oldest strangers go."""

    async def run() -> None:
        async with new_job(request_seconds=600.0) as job:
            url = job.rendezvous.url
            job.rendezvous.expect("t.0")
            waiting = await Caller.call(url, "t.0")
            await job.hear()
            strangers = [await Caller.connect(url) for _ in range(MOST_STRANGERS + 50)]

            job.rendezvous.expect("t.1")
            newcomer = await Caller.call(url, "t.1")

            assert (await job.hear())[:2] == ("connected", "t.1")
            assert await strangers[0].answer() == (0, b"")
            assert job.rendezvous.answer("t.0", launch(0))
            assert job.rendezvous.answer("t.1", launch(1))
            assert await waiting.answer() == (200, launch(0).answer())
            assert await newcomer.answer() == (200, launch(1).answer())
            for stranger in strangers[1:]:
                await stranger.hang_up()

    asyncio.run(run())


def test_a_job_runs_while_strangers_do_their_worst(new_job: NewJob, hello: str) -> None:
    """Garbage, held and slow connections, wrong tokens, all at once."""

    async def run() -> None:
        async with new_job() as job:
            url = job.rendezvous.url
            held = [await Caller.connect(url) for _ in range(50)]
            for number, stranger in enumerate(held):
                stranger.writer.write(b"\x00\xff" if number % 2 else b"GET / HT")
            wrong = [await Caller.call(url, job.task_id(0), "wrong") for _ in range(20)]

            await job.start_tasks(4)
            with open(os.devnull, "wb") as devnull:  # noqa: ASYNC230, PTH123
                mpiexec = await job.start_mpi(
                    [1, 1, 1, 1], [hello], stdout=devnull.fileno(), stderr=devnull.fileno()
                )
                assert await asyncio.wait_for(mpiexec.wait(), PATIENCE) == 0

            assert await job.ends() == [0, 0, 0, 0]
            assert [await caller.answer() for caller in wrong] == [(403, b"")] * 20
            for stranger in held:
                await stranger.hang_up()

    asyncio.run(run())


def test_a_second_call_of_the_same_task_takes_the_place_of_the_first(new_job: NewJob) -> None:
    """Its first connection broke without a word; nobody hears that it was lost."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect("t.0")
            first = await Caller.call(job.rendezvous.url, "t.0", Address="10.0.0.1")
            assert await job.hear() == ("connected", "t.0", "10.0.0.1", "")

            second = await Caller.call(job.rendezvous.url, "t.0", Address="10.0.0.1")

            assert await first.answer() == (0, b"")
            assert job.heard.empty()
            assert job.rendezvous.answer("t.0", launch())
            assert await second.answer() == (200, launch().answer())
            assert job.heard.empty()

    asyncio.run(run())


def test_an_answered_task_is_not_answered_again(new_job: NewJob) -> None:
    """Who learned the token later gets nothing for it."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect("t.0")
            caller = await Caller.call(job.rendezvous.url, "t.0")
            await job.hear()
            job.rendezvous.answer("t.0", launch())
            await caller.answer()

            again = await Caller.call(job.rendezvous.url, "t.0")

            assert await again.answer() == (403, b"")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("10.0.9.11", "10.0.9.11"),
        ("host-3.example.org", "host-3.example.org"),
        ("", "127.0.0.1"),
        ("a,b", "127.0.0.1"),
        ("fe80::1", "127.0.0.1"),
        ("-iface", "127.0.0.1"),
    ],
)
def test_an_address_that_hydra_cannot_use_is_not_taken(
    new_job: NewJob, told: str, taken: str
) -> None:
    """The one that the task calls from is taken instead."""

    async def run() -> None:
        async with new_job() as job:
            job.rendezvous.expect("t.0")
            caller = await Caller.call(job.rendezvous.url, "t.0", Address=told)
            assert await job.hear() == ("connected", "t.0", taken, "")
            await caller.hang_up()

    asyncio.run(run())


def test_a_closed_rendezvous_listens_no_more(new_job: NewJob) -> None:
    """Nor does it keep a connection, whoever held it."""

    async def run() -> None:
        async with new_job() as job:
            url = job.rendezvous.url
            held = await Caller.connect(url)
            await job.rendezvous.close()
            assert await held.answer() == (0, b"")
            with pytest.raises(ConnectionRefusedError):
                await Caller.connect(url)

    asyncio.run(run())


def test_it_listens_on_its_address_only() -> None:
    """Not on every address of this machine."""

    async def run() -> None:
        nothing: Callable[..., None] = lambda *told: None  # noqa: E731
        async with Rendezvous(
            address="127.0.1.9",
            new_token=lambda: TOKEN,
            on_connected=nothing,
            on_lost=nothing,
            on_problem=nothing,
        ) as rendezvous:
            port = int(rendezvous.url.rpartition(":")[2])
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await (await Caller.connect(rendezvous.url)).hang_up()

    asyncio.run(run())


def test_an_address_that_is_not_this_machines_is_an_error() -> None:
    """With the way out."""

    async def run() -> None:
        nothing: Callable[..., None] = lambda *told: None  # noqa: E731
        async with Rendezvous(
            address="192.0.2.1",
            new_token=lambda: TOKEN,
            on_connected=nothing,
            on_lost=nothing,
            on_problem=nothing,
        ):
            pass

    with pytest.raises(RendezvousError, match=r"192\.0\.2\.1") as error:
        asyncio.run(run())
    assert "--advertise" in (error.value.remedy or "")


def test_the_way_to_a_master_on_this_machine_begins_on_loopback() -> None:
    """So nothing listens to the network for a local cluster."""
    with socket.create_server(("127.0.0.1", 0)) as master:
        assert route_address("127.0.0.1", master.getsockname()[1]) == "127.0.0.1"
