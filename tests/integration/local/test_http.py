"""Answers over HTTP against those recorded of a real master."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from raw_scheduler import scalar, scheduler

from mrunkit.local.calls import Field, Kind, Message, RefusedError, read_object
from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig

DATA = Path(__file__).parents[2] / "data" / "mesos"


GET_LABELS = ("bad path2", "health", "tasks", "master/tasks", "state.json")

OTHERWISE_TESTED = ("bad failover_timeout", "metrics", "operator: GET_VERSION", "redirect")
"""A stream without end, numbers of a real allocator, the build's own words, our own address."""


def probes(experiment: str) -> dict[str, list[Any]]:
    """Recorded wrong requests by label: path, body, headers; and the answers."""
    found = {}
    for line in (DATA / "trace.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record.get("label") in OTHERWISE_TESTED or not record["exp"].startswith(experiment):
            continue
        if record["dir"] == "errprobe":
            found[record["label"]] = [record["args"], record["result"]]
    return found


def literal(text: str) -> Any:
    """A recorded argument: Python's own notation where it is one, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


async def ask(session: aiohttp.ClientSession, url: str, label: str, args: list[str]) -> Any:
    body = literal(args[1])
    headers: dict[str, Any] = {"Content-Type": "application/json"}
    headers |= literal(args[2]) if len(args) > 2 else {}
    without = ["Content-Type"] if headers["Content-Type"] is None else []
    sent = {name: value for name, value in headers.items() if value is not None}
    data = body if isinstance(body, str) else json.dumps(body)
    method = label if label in ("GET", "PUT") else "POST"
    if not data and label in GET_LABELS:
        method = "GET"
    async with (
        asyncio.timeout(20),
        session.request(
            method,
            url,
            data=data.encode() or (b"" if without else None),
            headers=sent,
            skip_auto_headers=without,
        ) as answer,
    ):
        return answer.status, answer.headers.get("Content-Type"), await answer.text()


@pytest.mark.parametrize("label", probes("C errors"))
def test_wrong_requests_are_refused_in_a_real_masters_words(label: str) -> None:
    """Status, content type and text are those of the recording."""
    args, (status, _, headers, text) = probes("C errors")[label]

    async def run() -> Any:
        async with (
            LocalCluster(LocalConfig(agents=1)) as cluster,
            aiohttp.ClientSession() as session,
        ):
            return await ask(session, f"http://{cluster.address}{args[0]}", label, args)

    assert asyncio.run(run()) == (status, headers.get("Content-Type"), text)


@pytest.mark.parametrize("label", probes("C2"))
def test_wrong_calls_are_refused_in_a_real_masters_words(label: str) -> None:
    """The same for calls of a framework that is subscribed."""
    args, (status, _, _, text) = probes("C2")[label]
    recorded_id = "b9c58b4b-9f64-4848-a55d-0cd64bfb3bd2-0001"
    recorded_stream = "20bc409f-8a74-4360-a186-03ef4449d97e"

    async def run() -> Any:
        async with (
            LocalCluster(LocalConfig(agents=1)) as cluster,
            scheduler(cluster.address) as framework,
        ):
            own = [
                part.replace(recorded_id, framework.id).replace(
                    recorded_stream, framework.stream_id
                )
                for part in args
            ]
            url = f"http://{cluster.address}{own[0]}"
            answer = await ask(framework.session, url, label, own)
            return answer[0], answer[2].replace(framework.id, recorded_id)

    assert asyncio.run(run()) == (status, text)


def shape(value: Any) -> Any:
    """Names and types of JSON; of a list, those of its first item."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def missing(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Where a shape lacks what a recorded one has, or has it with another type."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        return [
            gap
            for name, inner in recorded.items()
            for gap in (
                missing(inner, ours[name], f"{path}/{name}") if name in ours else [f"{path}/{name}"]
            )
        ]
    if isinstance(recorded, list) and isinstance(ours, list):
        return missing(recorded[0], ours[0], f"{path}[]") if recorded and ours else []
    return [] if recorded == ours else [f"{path}: {recorded}, not {ours}"]


PAGES = ("slaves", "frameworks", "tasks", "state", "state-summary")

OPERATOR_CALLS = ("GET_AGENTS", "GET_STATE", "GET_MASTER")

KNOWN_GAPS = ("/attributes", "/flags/", "/container", "/executor", "/labels", "/discovery")
"""What depends on the recorded cluster or its tasks."""


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """All pages of a cluster on which one task runs and one has ended."""

    async def run() -> dict[str, Any]:
        config = LocalConfig(agents=1, attributes={1: {"rack": "r1"}}, allocation_interval=0.1)
        found: dict[str, Any] = {}
        async with LocalCluster(config) as cluster:
            async with scheduler(cluster.address):
                pass
            async with scheduler(cluster.address, failover_timeout=5, role="*") as framework:
                (offer,) = await framework.offers()
                docker = {"type": "DOCKER", "docker": {"image": "none"}}
                ended = await framework.launch(offer, "true", container=docker)
                await framework.status(ended, "TASK_FAILED")
                await framework.call("REVIVE")
                (offer,) = await framework.offers()
                ports = {"range": [{"begin": 31000, "end": 31001}]}
                resources = [
                    scalar("cpus", 0.5),
                    scalar("mem", 32),
                    {"name": "ports", "type": "RANGES", "ranges": ports},
                ]
                running = await framework.launch(offer, "sleep 1000", resources=resources)
                await framework.status(running, "TASK_RUNNING")
                await framework.call("REVIVE")
                await framework.offers()
                for page in PAGES:
                    url = f"http://{cluster.address}/master/{page}"
                    async with framework.session.get(url) as answer:
                        found[page] = await answer.json()
                for call in OPERATOR_CALLS:
                    url = f"http://{cluster.address}/api/v1"
                    async with framework.session.post(url, json={"type": call}) as answer:
                        found[f"v1_{call}"] = await answer.json()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("page", [*PAGES, *(f"v1_{call}" for call in OPERATOR_CALLS)])
def test_pages_have_what_a_real_masters_have(page: str, answers: dict[str, Any]) -> None:
    """Every name of a recorded answer is there, with a value of the same type."""
    recorded = json.loads((DATA / f"{page}.json").read_text())
    gaps = missing(shape(recorded), shape(answers[page]))
    assert [gap for gap in gaps if not any(known in gap for known in KNOWN_GAPS)] == []


def test_redirect_names_the_leader() -> None:
    """307 to the master's own address."""

    async def run() -> None:
        async with (
            LocalCluster(LocalConfig(agents=1)) as cluster,
            aiohttp.ClientSession() as session,
            session.get(f"http://{cluster.address}/redirect", allow_redirects=False) as answer,
        ):
            assert answer.status == 307
            assert answer.headers["Location"] == f"//{cluster.address}"

    asyncio.run(run())


def test_half_a_character_is_no_json() -> None:
    """A real master's parser refuses a lone surrogate, and takes a pair."""
    message: Message = {"name": Field(Kind.STRING)}
    assert read_object(rb'{"name": "\ud83d\uDE00"}', message, "M") == {"name": "\U0001f600"}
    with pytest.raises(RefusedError, match="Failed to parse body into JSON"):
        read_object(rb'{"name": "\uDCFF"}', message, "M")
