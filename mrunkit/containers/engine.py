"""The Docker engine of this machine, through the docker SDK; failures in words that help."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrunkit.containers.explain import explain_failure
from mrunkit.errors import MrunkitError
from mrunkit.local.docker_sdk import import_sdk

if TYPE_CHECKING:
    import docker

ENGINE_SECONDS = 120
"""How long the engine may take to answer."""


class EngineError(MrunkitError):
    """Docker cannot do what was asked."""


def connect(*, seconds: int = ENGINE_SECONDS) -> docker.DockerClient:
    """Connect to the engine that the environment names (DOCKER_HOST), or the local one.

    `seconds`: how long it may take to answer, now and later.
    """
    # Takes 0.13 s, which a job without containers need not pay.
    import_sdk()
    import docker

    with explained(image="", network=""):
        # It asks the engine for its version, so one that does not answer fails here.
        return docker.from_env(timeout=seconds)


def own_node_id() -> str:
    """What the engine is in its swarm; empty: it is in none, or there is no engine."""
    try:
        engine = connect()
        with explained(image="", network=""):
            return str(engine.info()["Swarm"]["NodeID"])
    except MrunkitError:
        return ""


@contextlib.contextmanager
def explained(*, image: str, network: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, which say what to do about them."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise explain_error(error, image=image, network=network) from error


def explain_error(error: Exception, *, image: str, network: str) -> EngineError:
    """An error of the SDK in our words."""
    said = getattr(error, "explanation", None)
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or str(error)
    if "PermissionError" in text:
        text = f"permission denied: docker.sock: {text}"
    elif "FileNotFoundError" in text or "ConnectionRefusedError" in text:
        text = f"cannot connect to the docker daemon: {text}"
    known = explain_failure(text, image=image, network=network)
    if known is not None:
        return EngineError(known.message, remedy=known.remedy)
    return EngineError(f"Docker says: {text}")


def remove_container(api: docker.APIClient, container_id: str) -> None:
    """End and remove a container; that it has gone, or is going, is as good."""
    import docker.errors

    try:
        api.remove_container(container_id, force=True, v=True)
    except docker.errors.APIError as error:
        # 409: its removal is under way.
        if error.status_code not in {404, 409}:
            raise
