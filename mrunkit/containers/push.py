"""Pushing an image to its registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.images import repository

if TYPE_CHECKING:
    import docker

HUB = "docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPushed:
    """How far a layer is."""

    layer: str
    state: str
    """In Docker's words: Pushing, Pushed, Layer already exists."""
    done: int = 0
    total: int = 0
    """In bytes; 0 while Docker does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePushed:
    """The registry has all of it, under this digest."""

    digest: str


def push(engine: docker.DockerClient, name: str) -> Iterator[LayerPushed | ImagePushed]:
    """Push an image, telling how it goes; raises EngineError."""
    with explained(image=name, network=""):
        chunks = engine.api.push(repository(name), tag=tag_of(name), stream=True, decode=True)
        yield from push_events(chunks, name)


def push_events(
    chunks: Iterable[Mapping[str, Any]], name: str
) -> Iterator[LayerPushed | ImagePushed]:
    """Parse what Docker tells of a push. Source: Docker's API, push an image."""
    for chunk in chunks:
        if "error" in chunk:
            raise push_error(str(chunk["error"]), name)
        aux = chunk.get("aux") or {}
        if "Digest" in aux:
            yield ImagePushed(digest=aux["Digest"])
        elif "id" in chunk and "status" in chunk:
            progress = chunk.get("progressDetail") or {}
            yield LayerPushed(
                layer=chunk["id"],
                state=chunk["status"],
                done=progress.get("current", 0),
                total=progress.get("total", 0),
            )


def tag_of(name: str) -> str:
    """An image's tag; to a push, none would mean all there are."""
    return name[len(repository(name)) + 1 :] or "latest"


def registry_of(name: str) -> str:
    """The registry that an image's name means. Source: distribution/reference."""
    head, slash, _ = name.partition("/")
    return head if slash and (re.search(r"[.:]", head) or head == "localhost") else HUB


def push_error(said: str, name: str) -> EngineError:
    """Why a push failed, in words that help."""
    registry = registry_of(name)
    retag = f"docker tag {name} REGISTRY/{name}, then push that"
    if re.search(r"denied|unauthorized|authentication required|no basic auth", said, re.I):
        other = f"; for another registry: {retag}" if registry == HUB else ""
        return EngineError(
            f"{registry} does not let you push {name}: {said.strip()}",
            remedy=f"log in as somebody who may: docker login {registry}{other}",
        )
    if "HTTP response to HTTPS client" in said:
        return EngineError(
            f"{registry} speaks http, and Docker insists on https",
            remedy="give it a certificate, or list it in /etc/docker/daemon.json: "
            f'{{"insecure-registries": ["{registry}"]}}',
        )
    if re.search(r"no such host|connection refused|i/o timeout|canceled|no route", said, re.I):
        return EngineError(
            f"{registry} does not answer: {said.strip()}",
            remedy=f"is the name right? for another registry: {retag}; without one: "
            f"mrunkit image distribute INVENTORY {name}",
        )
    return EngineError(f"could not push {name}: {said.strip()}")
