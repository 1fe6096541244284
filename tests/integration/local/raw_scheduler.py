"""A raw v1 scheduler for tests: what goes over the wire, and nothing in between."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

Json = dict[str, Any]

PATIENCE = 30.0  # seconds; only ever waited out by a test that fails


class Scheduler:
    """One framework's connection; events are kept until they are asked for."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.url = f"http://{address}/api/v1/scheduler"
        self.id = ""
        self.stream_id = ""
        self.acknowledges = True
        self.events: list[Json] = []
        self.is_over = False
        self._changed = asyncio.Condition()
        self._names = itertools.count()

    async def subscribe(self, **info: Any) -> None:
        """Subscribe and read until the stream ends."""
        framework_info = {"user": "root", "name": "test", **info}
        call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": framework_info}}
        if "id" in info:
            call["framework_id"] = info["id"]
        self.response = await self.session.post(self.url, json=call)
        assert self.response.status == 200
        self.stream_id = self.response.headers["Mesos-Stream-Id"]
        self.reader = asyncio.create_task(self._read())

    async def call(self, type_: str, **parts: Any) -> int:
        """Make a call; the status of the answer."""
        call = {"type": type_, "framework_id": {"value": self.id}, **parts}
        headers = {"Mesos-Stream-Id": self.stream_id}
        async with self.session.post(self.url, json=call, headers=headers) as answer:
            return answer.status

    async def event(self, wanted: Callable[[Json], bool]) -> Json:
        """Take the first event that fits, waiting for it; those before it stay."""
        async with asyncio.timeout(PATIENCE), self._changed:
            while True:
                for event in self.events:
                    if wanted(event):
                        self.events.remove(event)
                        return event
                await self._changed.wait()

    async def end(self) -> None:
        """Wait for the end of the stream."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.is_over)

    async def subscribed(self) -> None:
        """Wait for SUBSCRIBED."""
        event = await self.event(lambda e: e["type"] == "SUBSCRIBED")
        self.id = event["subscribed"]["framework_id"]["value"]

    async def offers(self, count: int = 1) -> list[Json]:
        """Wait for so many offers."""
        offers: list[Json] = []
        while len(offers) < count:
            event = await self.event(lambda e: e["type"] == "OFFERS")
            offers += event["offers"]["offers"]
        return offers

    async def status(self, task_id: str, *states: str) -> Json:
        """Wait for a task to be in one of these states; the status."""
        event = await self.event(
            lambda e: (
                e["type"] == "UPDATE"
                and e["update"]["status"]["task_id"]["value"] == task_id
                and e["update"]["status"]["state"] in states
            )
        )
        status: Json = event["update"]["status"]
        return status

    async def launch(self, offer: Json, command: str | Json, **parts: Any) -> str:
        """Accept an offer with one small task; its id."""
        task_id = parts.pop("task_id", f"task{next(self._names)}")
        task = {
            "name": task_id,
            "task_id": {"value": task_id},
            "agent_id": offer["agent_id"],
            "resources": [scalar("cpus", 0.5), scalar("mem", 32)],
            "command": {"value": command} if isinstance(command, str) else command,
            **parts,
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        accept = {"offer_ids": [offer["id"]], "operations": [launch]}
        assert await self.call("ACCEPT", accept=accept) == 202
        return task_id

    async def kill(self, task_id: str, **parts: Any) -> None:
        """Kill a task."""
        assert await self.call("KILL", kill={"task_id": {"value": task_id}, **parts}) == 202

    async def close(self) -> None:
        """Leave without a word."""
        self.response.close()
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)

    async def _read(self) -> None:
        buffer = b""
        try:
            async for chunk in self.response.content.iter_any():
                buffer += chunk
                while b"\n" in buffer:
                    size, _, rest = buffer.partition(b"\n")
                    if len(rest) < int(size):
                        break
                    buffer = rest[int(size) :]
                    await self._take(json.loads(rest[: int(size)]))
        except aiohttp.ClientError:
            pass
        finally:
            self.is_over = True
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, event: Json) -> None:
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        status = event.get("update", {}).get("status", {})
        if self.acknowledges and "uuid" in status:
            await self.acknowledge(status)

    async def acknowledge(self, status: Json) -> None:
        """Acknowledge an update."""
        body = {name: status[name] for name in ("agent_id", "task_id", "uuid")}
        await self.call("ACKNOWLEDGE", acknowledge=body)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something outside of the event loop is so, which no event tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def scalar(name: str, value: float) -> Json:
    """A scalar resource."""
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


@asynccontextmanager
async def scheduler(address: str, **info: Any) -> AsyncIterator[Scheduler]:
    """A subscribed framework."""
    async with aiohttp.ClientSession() as session:
        framework = Scheduler(session, address)
        await framework.subscribe(**info)
        await framework.subscribed()
        try:
            yield framework
        finally:
            await framework.close()
