"""The master's pages and calls: the scheduler API with its streams, the operator API.

Owns what is at which path, and the framing of streams (RecordIO). Decides nothing that `master`,
`calls`, `endpoints` or `operator_api` could, and leaves connections to `http`.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from mrunkit.local import calls, endpoints, operator_api
from mrunkit.local.calls import CallType, RefusedError
from mrunkit.local.http import Connection, Request, Response, Server
from mrunkit.local.wire import FrameworkInfo, Json

if TYPE_CHECKING:
    from mrunkit.local.cluster import LocalCluster


class Stream:
    """What is written to one framework."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_silenced = False

    def send(self, event: Json) -> None:
        """Send an event."""
        if not (self.is_silenced and event["type"] == "HEARTBEAT"):
            self._connection.send(record(event))

    def close(self) -> None:
        """End the stream cleanly."""
        self._connection.end_stream()

    def abort(self) -> None:
        """Break it without a clean end."""
        self._connection.abort()


def record(event: Json) -> bytes:
    """An event in RecordIO: the length in bytes, a newline, the JSON."""
    body = json.dumps(event, separators=(",", ":")).encode()
    return b"%d\n%b" % (len(body), body)


class MasterServer:
    """Serves one cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._server = Server(self._respond)

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; the port."""
        return await self._server.start("127.0.0.1", port)

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        await self._server.stop()

    def _respond(self, request: Request, connection: Connection) -> Response | None:
        if self._cluster.faults.is_unavailable:
            return _text(503, "Master has not finished recovery")
        try:
            return self._route(request, connection)
        except RefusedError as refused:
            headers = {"Allow": "POST"} if refused.status == 405 else {}
            return _text(refused.status, refused.text, headers)

    def _route(self, request: Request, connection: Connection) -> Response | None:
        path = "/" + request.path.strip("/").removeprefix("master/").strip("/")
        if path == "/api/v1/scheduler":
            return self._scheduler(request, connection)
        if path.startswith("/api/v1"):
            return self._operator(request)
        if path == "/teardown":
            return self._teardown(request)
        if path == "/health":
            return Response()
        if path == "/redirect":
            return Response(status=307, headers={"Location": f"//{self._cluster.address}"})
        page = endpoints.PAGES.get(path)
        if page is None:
            return _text(404, "404 Not Found.")
        return _json(page(self._cluster.master))

    def _teardown(self, request: Request) -> Response:
        _check_method(request)
        ids = parse_qs(request.body.decode(errors="replace")).get("frameworkId")
        if not ids:
            raise RefusedError(400, "Missing 'frameworkId' query parameter in the request body")
        self._cluster.teardown(ids[0])
        return Response()

    def _operator(self, request: Request) -> Response:
        _check_method(request)
        calls.check_media(
            request.headers.get("content-type"), request.headers.get("accept"), subscribes=True
        )
        return _json(operator_api.operator_call(self._cluster.master, request.body))

    def _scheduler(self, request: Request, connection: Connection) -> Response | None:
        stream_id = request.headers.get("mesos-stream-id")
        _check_method(request)
        content_type = request.headers.get("content-type")
        calls.check_media(content_type, None, subscribes=False)
        call = calls.parse_call(request.body)
        if call.type is not CallType.SUBSCRIBE:
            self._cluster.call(call, stream_id)
            # As measured: UPDATE_FRAMEWORK answers 200, all others 202.
            return Response(status=200 if call.type is CallType.UPDATE_FRAMEWORK else 202)
        calls.check_media(content_type, request.headers.get("accept"), subscribes=True)
        if stream_id is not None:
            raise RefusedError(
                400, "Subscribe calls should not include the 'Mesos-Stream-Id' header"
            )
        self._subscribe(connection, call.body)
        return None

    def _subscribe(self, connection: Connection, body: Json) -> None:
        info = FrameworkInfo.parse(body["framework_info"])
        stream_id = str(uuid.uuid4())
        connection.stream(
            {"Mesos-Stream-Id": stream_id, "Content-Type": "application/json"},
            on_lost=lambda: self._cluster.stream_closed(stream_id),
        )
        self._cluster.subscribe(info, stream_id, body, Stream(connection))


def _check_method(request: Request) -> None:
    if request.method != "POST":
        raise RefusedError(
            405,
            f"405 Method Not Allowed. Expecting one of {{ 'POST' }}, "
            f"but received '{request.method}'.",
        )


def _json(value: Json) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(body=body, content_type="application/json")


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status=status, body=text.encode(), headers=headers or {})
