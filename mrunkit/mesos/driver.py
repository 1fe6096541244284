"""One job's connection to the master: subscribes, calls, watches, and reconnects.

Owns when to subscribe and when to come back: each `Subscription` is one connection. What it
tells in its own thread is only handed over to the event loop; calls are made by one thread of
their own, in order; heartbeats are watched. Decides nothing about the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mrunkit.errors import MrunkitError
from mrunkit.mesos.address import (
    HostPort,
    MasterUnreachableError,
    ZooKeeper,
    ZooKeeperError,
    find_leader,
)
from mrunkit.mesos.operator import (
    Credentials,
    MasterNotReadyError,
    MasterRefusedError,
    Operator,
)
from mrunkit.mesos.subscription import Closed, Subscription
from mrunkit.mesos.wire import FrameworkSpec, Json, framework_info, offer_ids, parse_event
from mrunkit.scheduler.events import Event, MasterErred, MasterLost, Subscribed, TaskState

logger = logging.getLogger(__name__)

T = TypeVar("T")

MISSED_HEARTBEATS = 2
"""So many intervals of silence mean that the master is gone."""
LAST_LISTENING_SECONDS = 1.0
"""For what came while this process was stopped (Ctrl-Z) and is still to be read."""
LONGEST_BACKOFF_SECONDS = 15.0
ZOOKEEPER_TIMEOUT_SECONDS = 10.0
LAST_CALLS_SECONDS = 10.0
LAST_ACKNOWLEDGE_SECONDS = 1.0
"""After a task's end. Most jobs are torn down by then, and nothing need be acknowledged any more;
agents send an update again only after 10 s."""


class Driver:
    """Keeps a job subscribed. Events arrive through `on_event`, in the event loop.

    The first failure to reach a master ends the job at once (MasterErred), since it is
    most often a typing error; later ones are reported as MasterLost and tried again.
    Calls are made in order, in the background; while not connected they are dropped, as
    the master has forgotten then what they are about.
    """

    def __init__(
        self,
        master: HostPort | ZooKeeper,
        framework: FrameworkSpec,
        *,
        credentials: Credentials | None,
        on_event: Callable[[Event], None],
        random: Callable[[], float],
    ) -> None:
        self._master = master
        self._framework = framework_info(framework)
        self._credentials = credentials
        self._on_event = on_event
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._calls = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mesos-calls")
        self._subscription: Subscription | None = None
        self._ended: asyncio.Future[Closed] = self._loop.create_future()
        self._watch: asyncio.TimerHandle | None = None
        self._silence_seconds = 30.0
        self._has_launched = False
        self._has_subscribed = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.operator: Operator | None = None
        """The master we are, or were last, subscribed to."""

    def current_master(self) -> HostPort:
        """The master we are, or were last, subscribed to."""
        assert self.operator is not None, "nothing happens before the first subscription"
        return self.operator.master

    def start(self) -> asyncio.Task[None]:
        """Subscribe, and again whenever the connection is lost, until stopped.

        Returns the task of it, which fails only by a defect: somebody has to watch for that.
        """
        self._task = self._loop.create_task(self._keep_subscribed())
        return self._task

    async def stop(self) -> None:
        """Wait for the calls made so far, within limits, then close the connection."""
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS_SECONDS):
                await self._loop.run_in_executor(self._calls, int)
        if not self._ended.done():
            self._ended.set_result(Closed(reason="stopped"))
        if self._task is not None:
            await asyncio.wait([self._task])
        self._disconnect()
        self._calls.shutdown(wait=False, cancel_futures=True)

    # --- calls ---

    def launch(self, offers: Iterable[str], tasks: list[Json]) -> None:
        """Accept offers of one agent for tasks; what is left over goes back."""
        self._has_launched = True
        operations = [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]
        self._call("ACCEPT", accept={"offer_ids": offer_ids(offers), "operations": operations})

    def decline(self, offers: Iterable[str], *, refuse_seconds: float) -> None:
        """Give offers back."""
        filters = {"refuse_seconds": refuse_seconds}
        self._call("DECLINE", decline={"offer_ids": offer_ids(offers), "filters": filters})

    def suppress(self) -> None:
        """Ask for no more offers."""
        self._call("SUPPRESS")

    def revive(self) -> None:
        """Ask for offers again."""
        self._call("REVIVE")

    def kill(self, task_id: str, agent_id: str) -> None:
        """End a task: TERM, then KILL after the agent's grace period."""
        task = {"task_id": {"value": task_id}, "agent_id": {"value": agent_id}}
        self._call("KILL", kill=task)

    def reconcile(self, tasks: Iterable[tuple[str, str]]) -> None:
        """Ask what became of tasks (pairs of task id and agent id)."""
        asked = [{"task_id": {"value": t}, "agent_id": {"value": a}} for t, a in tasks]
        self._call("RECONCILE", reconcile={"tasks": asked})

    def tear_down(self) -> None:
        """Unregister; the master ends all that is left of the job."""
        self._stopping.set()
        self._call("TEARDOWN")

    def _acknowledge(self, raw: Json) -> None:
        status = raw["update"]["status"]
        if "uuid" not in status:  # it was made by the master
            return
        acknowledge = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        seconds = LAST_ACKNOWLEDGE_SECONDS if TaskState(status["state"]).is_terminal else 0.0
        self._loop.call_later(seconds, lambda: self._call("ACKNOWLEDGE", acknowledge=acknowledge))

    def _call(self, kind: str, **parts: Any) -> None:
        subscription = self._subscription
        if subscription is None:
            logger.debug("not connected: dropped %s", kind)
            return

        def call() -> None:
            # Tearing down ends the waiting for acknowledgements, and is not to wait for them.
            if kind != "ACKNOWLEDGE" or not self._stopping.is_set():
                subscription.call(kind, **parts)

        # Not by way of the loop, which has no use for the end of a call that succeeds.
        self._calls.submit(call).add_done_callback(lambda done: self._called(kind, done))

    def _called(self, kind: str, done: Future[None]) -> None:
        """Report a call that failed; in the thread of the calls."""
        if done.cancelled() or (error := done.exception()) is None:
            return
        if kind == "TEARDOWN":
            return  # the stream's end tells that it was heard, and may come before the answer
        logger.debug("%s failed", kind, exc_info=error)
        reason = (
            str(error) if isinstance(error, MrunkitError) else f"the call {kind} failed: {error}"
        )
        final = error if isinstance(error, MasterRefusedError) else None
        self._hand_over(self._close, Closed(reason=reason, error=final))

    # --- the connection ---

    async def _keep_subscribed(self) -> None:
        failures = 0
        redirect: HostPort | None = None
        while not self._stopping.is_set():
            self._ended = self._loop.create_future()
            try:
                closed = await self._subscribe(redirect)
            except (MasterUnreachableError, MasterRefusedError) as unreached:
                closed = Closed(reason=str(unreached), error=self._if_final(unreached))
            self._disconnect()
            if self._stopping.is_set():
                return
            if closed.error is not None:
                self._on_event(MasterErred(message=str(closed.error), remedy=closed.error.remedy))
                return
            # Only once: masters that have just lost their leader still send to it, or in circles.
            redirect = closed.redirect if redirect is None else None
            if redirect is not None:
                continue
            self._on_event(MasterLost(message=closed.reason))
            failures = 0 if self._has_subscribed else failures + 1
            await self._back_off(failures)

    def _if_final(self, error: MrunkitError) -> MrunkitError | None:
        """The error if it should end the job: a refusal, or the first one.

        Not so with ZooKeeper: the leader that it names may have just gone, or none leads yet.
        """
        may_pass = isinstance(error, MasterNotReadyError) or (
            isinstance(self._master, ZooKeeper) and not isinstance(error, ZooKeeperError)
        )
        is_final = self.operator is None and not may_pass
        return error if is_final or isinstance(error, MasterRefusedError) else None

    async def _back_off(self, failures: int) -> None:
        seconds = min(LONGEST_BACKOFF_SECONDS, 0.5 * 2.0**failures) * (0.5 + self._random())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _subscribe(self, redirect: HostPort | None) -> Closed:
        """One subscription, from looking for the master to its end."""
        self._has_subscribed = False
        master = redirect or await self._find_master()
        operator = Operator(master=master, credentials=self._credentials)
        await self._off_loop(operator.version)
        if self._stopping.is_set():
            return Closed(reason="stopped")
        self.operator = operator
        if not self._has_launched:
            # Without tasks there is nothing to come back to, and a removed id is an error.
            self._framework.pop("id", None)
        self._subscription = Subscription(
            self._framework,
            master,
            self._credentials,
            received=lambda raw: self._hand_over(self._received, raw),
            closed=lambda closed: self._hand_over(self._close, closed),
        )
        self._subscription.start()
        self._expect_heartbeat()
        return await self._ended

    async def _find_master(self) -> HostPort:
        master = self._master
        if isinstance(master, HostPort):
            return master
        return await self._off_loop(lambda: find_leader(master, timeout=ZOOKEEPER_TIMEOUT_SECONDS))

    async def _off_loop(self, function: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(None, function)

    def _hand_over(self, function: Callable[[Any], None], value: Any) -> None:
        # The loop may be gone when a thread of pymesos notices its end late.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, value)

    def _received(self, raw: Json) -> None:
        self._expect_heartbeat()
        kind = raw.get("type")
        if kind == "SUBSCRIBED":
            self._subscribed(raw["subscribed"])
        elif (event := parse_event(raw, jitter=self._random())) is not None:
            self._on_event(event)
        if kind == "UPDATE":
            self._acknowledge(raw)
        elif kind == "ERROR":
            self._stopping.set()

    def _subscribed(self, subscribed: Json) -> None:
        self._has_subscribed = True
        interval = subscribed.get("heartbeat_interval_seconds", 15.0)
        self._silence_seconds = MISSED_HEARTBEATS * interval
        self._expect_heartbeat()
        framework_id = subscribed["framework_id"]["value"]
        self._on_event(
            Subscribed(
                framework_id=framework_id,
                master=str(self.operator.master if self.operator else self._master),
                again=self._has_launched,
            )
        )

    def _expect_heartbeat(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        reason = f"no heartbeat from the master for {self._silence_seconds:g} s"
        self._watch = self._loop.call_later(
            self._silence_seconds, self._listen_once_more, Closed(reason=reason)
        )

    def _listen_once_more(self, closed: Closed) -> None:
        self._watch = self._loop.call_later(LAST_LISTENING_SECONDS, self._close, closed)

    def _close(self, closed: Closed) -> None:
        if not self._ended.done():
            self._ended.set_result(closed)

    def _disconnect(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self._subscription is not None:
            self._subscription.stop(failover=True)
            self._subscription = None
