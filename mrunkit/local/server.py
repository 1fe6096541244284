"""The master's HTTP server: the scheduler API with its streams, the operator API, the pages.

Owns the connection between aiohttp and the cluster, and the framing of streams (RecordIO).
Decides nothing that `master`, `calls` or `endpoints` could.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from mrunkit.local import calls, endpoints
from mrunkit.local.calls import CallType, RefusedError
from mrunkit.local.wire import FrameworkInfo, Json

if TYPE_CHECKING:
    from mrunkit.local.cluster import LocalCluster

LARGEST_CALL = 64 * 2**20  # bytes: an ACCEPT with thousands of tasks


class Stream:
    """What is to be written to one framework; None ends it."""

    def __init__(self) -> None:
        self.records: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_silenced = False

    def send(self, event: Json) -> None:
        """Queue an event."""
        if self.is_silenced and event["type"] == "HEARTBEAT":
            return
        self.records.put_nowait(record(event))

    def close(self) -> None:
        """End the stream cleanly after what is queued."""
        self.records.put_nowait(None)


def record(event: Json) -> bytes:
    """An event in RecordIO: the length in bytes, a newline, the JSON."""
    body = json.dumps(event, separators=(",", ":")).encode()
    return b"%d\n%b" % (len(body), body)


class MasterServer:
    """Serves one cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._transports: dict[str, asyncio.Transport] = {}
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; the port."""
        app = web.Application(client_max_size=LARGEST_CALL)
        app.router.add_route("*", "/{path:.*}", self._route)
        # A scheduler that goes away must be noticed while nothing is being written to it.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        address = self._runner.addresses[0]
        return int(address[1])

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    def abort(self, stream_id: str) -> None:
        """Break a stream's connection without a clean end."""
        self._transports[stream_id].abort()

    async def _route(self, request: web.Request) -> web.StreamResponse:
        if self._cluster.faults.is_unavailable:
            return web.Response(status=503, text="Master has not finished recovery")
        path = "/" + request.match_info["path"].removeprefix("master/").strip("/")
        if path == "/api/v1/scheduler":
            return await self._scheduler(request)
        if path.startswith("/api/v1"):
            return await self._operator(request)
        if path == "/teardown":
            return await self._teardown(request)
        if path == "/health":
            return web.Response()
        if path == "/redirect":
            location = f"//{self._cluster.address}"
            return web.Response(status=307, headers={"Location": location})
        page = endpoints.PAGES.get(path)
        if page is None:
            return web.Response(status=404, text="404 Not Found.")
        return _json(page(self._cluster.master))

    async def _teardown(self, request: web.Request) -> web.Response:
        try:
            _check_method(request)
            framework_id = (await request.post()).get("frameworkId")
            if not isinstance(framework_id, str):
                text = "Missing 'frameworkId' query parameter in the request body"
                raise RefusedError(400, text)
            self._cluster.teardown(framework_id)
        except RefusedError as refused:
            return _refusal(refused)
        return web.Response()

    async def _operator(self, request: web.Request) -> web.Response:
        try:
            _check_method(request)
            calls.check_media(
                request.headers.get("Content-Type"),
                request.headers.get("Accept"),
                subscribes=True,
            )
            return _json(endpoints.operator_call(self._cluster.master, await request.read()))
        except RefusedError as refused:
            return _refusal(refused)

    async def _scheduler(self, request: web.Request) -> web.StreamResponse:
        stream_id = request.headers.get("Mesos-Stream-Id")
        try:
            _check_method(request)
            content_type = request.headers.get("Content-Type")
            calls.check_media(content_type, None, subscribes=False)
            call = calls.parse_call(await request.read())
            if call.type is not CallType.SUBSCRIBE:
                self._cluster.call(call, stream_id)
                # As measured: UPDATE_FRAMEWORK answers 200, all others 202.
                ok = call.type is CallType.UPDATE_FRAMEWORK
                return web.Response(status=200 if ok else 202)
            calls.check_media(content_type, request.headers.get("Accept"), subscribes=True)
            if stream_id is not None:
                raise RefusedError(
                    400, "Subscribe calls should not include the 'Mesos-Stream-Id' header"
                )
        except RefusedError as refused:
            return _refusal(refused)
        info = FrameworkInfo.parse(call.body["framework_info"])
        return await self._subscribe(request, info, call.body)

    async def _subscribe(
        self, request: web.Request, info: FrameworkInfo, body: Json
    ) -> web.StreamResponse:
        stream_id = str(uuid.uuid4())
        stream = self._cluster.open_stream(stream_id)
        response = web.StreamResponse(
            headers={"Mesos-Stream-Id": stream_id, "Content-Type": "application/json"}
        )
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            assert request.transport is not None
            self._transports[stream_id] = request.transport
            self._cluster.subscribe(info, stream_id, body)
            while (data := await stream.records.get()) is not None:
                await response.write(data)
            await response.write_eof()
        except ConnectionError:
            # The scheduler went while something was being written; the master is told below.
            pass
        finally:
            self._transports.pop(stream_id, None)
            self._cluster.stream_closed(stream_id)
        return response


def _check_method(request: web.Request) -> None:
    if request.method != "POST":
        raise RefusedError(
            405,
            f"405 Method Not Allowed. Expecting one of {{ 'POST' }}, "
            f"but received '{request.method}'.",
        )


def _json(value: Json) -> web.Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, content_type="application/json")


def _refusal(refused: RefusedError) -> web.Response:
    headers = {"Allow": "POST"} if refused.status == 405 else None
    return web.Response(status=refused.status, text=refused.text, headers=headers)
