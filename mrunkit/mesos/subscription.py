"""One connection to a master as a framework, on pymesos.

The only module that imports pymesos, and it makes up for what pymesos does badly: each
subscription is a fresh pymesos driver that is never allowed to reconnect by itself; importing
it leaves no signal or log handler behind. Hands on what comes, and interprets none of it but
the framework's id.
"""

from __future__ import annotations

import ast
import http.client
import logging
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mrunkit.errors import MrunkitError
from mrunkit.mesos.address import HostPort, MasterUnreachableError
from mrunkit.mesos.operator import Credentials, MasterRefusedError, redirect_target, refusal
from mrunkit.mesos.wire import Json

# Importing pymesos replaces the SIGINT handler, and sets its logger's level and handler.
_sigint_handler = signal.getsignal(signal.SIGINT)
_log_level = logging.getLogger("pymesos").level
import pymesos  # noqa: E402
import pymesos.process  # noqa: E402

signal.signal(signal.SIGINT, _sigint_handler)
logging.getLogger("pymesos").handlers.clear()
logging.getLogger("pymesos").setLevel(_log_level)


class _NoInterrupt:
    """Stands in for `_thread` in pymesos.process, whose dying thread fakes a Ctrl-C."""

    @staticmethod
    def interrupt_main() -> None:
        """Leave the main thread alone; `Subscription._run` reports the end."""


pymesos.process.thread = _NoInterrupt

_FINAL = (http.client.BAD_REQUEST, http.client.UNAUTHORIZED, http.client.FORBIDDEN)
"""Answers to a call that would be the same to another one."""
_NOT_SUBSCRIBED = re.compile(r"Framework (cannot be found|is not (subscribed|connected))|stream ID")
"""Masters answer so, with 400 or 403, when they have lost us: the next subscription mends it."""
_MOST_WORDS = 200
"""Characters of what a master says; what stands in between may answer with a whole page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why a subscription ended."""

    reason: str
    redirect: HostPort | None = None
    error: MrunkitError | None = None
    """Set if trying again is no use."""


class Subscription(pymesos.MesosSchedulerDriver):  # type: ignore[misc]
    """A pymesos driver for one connection, which hands on raw events and then its end.

    `received` and `closed` are called in pymesos' thread.
    """

    def __init__(
        self,
        framework: Json,
        master: HostPort,
        credentials: Credentials | None,
        received: Callable[[Json], None],
        closed: Callable[[Closed], None],
    ) -> None:
        super().__init__(
            None,
            framework,
            str(master),
            implicit_acknowledgements=False,
            failover=True,  # never tear down without being told to
        )
        # pymesos would make it itself, of ASCII only.
        self._basic_credential = credentials.header if credentials else None
        self._endpoint = master
        self._received = received
        self._closed = closed
        self._redirect: HostPort | None = None
        self._is_closed = False

    @property
    def framework(self) -> Json:
        """Our FrameworkInfo as it is; pymesos would add GPU_RESOURCES to it."""
        return dict(self._framework)

    def _get_version(self, master: str | None) -> None:
        """Asked by the caller beforehand; pymesos stumbles over versions like 1.12.0-dev."""

    def change_master(self, master: str | None) -> None:
        """Follow no redirect in here: the next subscription does."""
        if self.master is None and not self._is_closed:
            super().change_master(master)
        elif master is not None:
            self._redirect = redirect_target(master, self._endpoint)

    def on_event(self, event: Json) -> None:
        """Hand over every event as it came."""
        if event.get("type") == "SUBSCRIBED":
            self.framework_id = event["subscribed"]["framework_id"]["value"]
        self._received(event)

    def on_close(self) -> None:
        """Hand over the end, and keep pymesos from reconnecting."""
        self._close()
        with self._lock:
            self._master = self._new_master = None
        self._report("the master closed the connection")

    def _run(self) -> None:
        pymesos.process._exc_info = None
        super()._run()
        self._report("stopped")

    def _report(self, reason: str) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        failure = (pymesos.process._exc_info or (None, None, None))[1]
        if self._redirect is not None:
            reason = f"the master at {self._endpoint} does not lead, and sends to {self._redirect}"
        self._closed(
            Closed(
                reason=reason if failure is None else str(failure),
                redirect=self._redirect,
                error=_explain_failure(self._endpoint, str(failure)) if failure else None,
            )
        )

    def _send(self, body: Json, path: str = "/api/v1/scheduler", method: str = "POST") -> Json:
        """Send a request; raises RuntimeError, which does not have it, for an answer but 2xx."""
        try:
            # pymesos' default argument would share one dict of headers between all drivers.
            answer: Json = super()._send(body, path, method, headers={})
        except RuntimeError as error:
            # The rest is the request, with the token of the job; nor is it to be in a traceback.
            raise RuntimeError(str(error).partition("\n")[0]) from None
        return answer

    def call(self, kind: str, **parts: Any) -> None:
        """Send one call of the scheduler API, if connected; blocks until it is answered.

        Raises MasterRefusedError if trying again is no use.
        """
        if not (self.connected and self.framework_id):
            return
        try:
            self._send({"type": kind, "framework_id": {"value": self.framework_id}, **parts})
        except RuntimeError as error:
            raise explain_refusal(self._endpoint, kind, str(error)) from error


def explain_refusal(master: HostPort, kind: str, text: str) -> MrunkitError:
    """The error for a call that was not taken, by pymesos' words: status, and what was said."""
    match = re.fullmatch(r"Failed to send request (\d+): (b['\"].*['\"])", text)
    if match is None:
        return MasterUnreachableError(f"the call {kind} failed: {text}")
    status, said = int(match[1]), _one_line(ast.literal_eval(match[2]))
    message = f"the master refused {kind} (HTTP {status})" + (f": {said}" if said else "")
    if status not in _FINAL or _NOT_SUBSCRIBED.search(said):
        return MasterUnreachableError(message)
    has_to_know_us = status != http.client.BAD_REQUEST
    return MasterRefusedError(
        message, remedy=refusal(master, status).remedy if has_to_know_us else None
    )


def _one_line(body: bytes) -> str:
    """What a master says, without what it repeats of the request: picojson's `near: ...`."""
    words = " ".join(body.decode(errors="replace").partition(" near: ")[0].split())
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}..."


def _explain_failure(master: HostPort, text: str) -> MrunkitError | None:
    """The error for an answer to SUBSCRIBE that trying again will not change."""
    match = re.match(r"Failed with HTTP (\d+): (?:b['\"])?(.*?)['\"]?$", text, re.DOTALL)
    if match is None:
        return None
    status, said = int(match[1]), match[2].strip()
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return refusal(master, status)
    if 400 <= status < 500:
        return MasterRefusedError(f"the master at {master} refuses the job: {said or status}")
    return None
