"""What a push tells, and what its failures mean."""

from __future__ import annotations

import pytest

from mrunkit.containers.engine import EngineError
from mrunkit.containers.push import ImagePushed, LayerPushed, push_events, registry_of, tag_of


def test_layers_and_digest_are_told() -> None:
    """Progress by layer, and at the end the digest under which hosts can pull it."""
    chunks = [
        {"status": "The push refers to repository [r:5000/mpi]"},
        {"status": "Preparing", "progressDetail": {}, "id": "5568da1959ef"},
        {
            "status": "Pushing",
            "progressDetail": {"current": 512, "total": 1024},
            "progress": "[====>    ]",
            "id": "5568da1959ef",
        },
        {"status": "latest: digest: sha256:9f1b size: 528"},
        {"progressDetail": {}, "aux": {"Tag": "latest", "Digest": "sha256:9f1b", "Size": 528}},
    ]
    assert list(push_events(chunks, "r:5000/mpi")) == [
        LayerPushed(layer="5568da1959ef", state="Preparing"),
        LayerPushed(layer="5568da1959ef", state="Pushing", done=512, total=1024),
        ImagePushed(digest="sha256:9f1b"),
    ]


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ("unauthorized: authentication required", "does not let you push", "docker login r:5000"),
        (
            "denied: requested access to the resource is denied",
            "does not let you push",
            "docker login r:5000",
        ),
        ("no basic auth credentials", "does not let you push", "docker login r:5000"),
        (
            'Get "https://r:5000/v2/": http: server gave HTTP response to HTTPS client',
            "speaks http",
            '"insecure-registries": ["r:5000"]',
        ),
        (
            'Get "http://r:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
            "does not answer",
            "mrunkit image distribute INVENTORY r:5000/mpi:1",
        ),
        ("dial tcp: lookup r on 1.1.1.1:53: no such host", "does not answer", "docker tag"),
    ],
)
def test_a_failure_says_what_to_do(said: str, message: str, remedy: str) -> None:
    """Docker's words, told apart."""
    with pytest.raises(EngineError, match=f"r:5000 {message}") as error:
        list(push_events([{"errorDetail": {"message": said}, "error": said}], "r:5000/mpi:1"))
    assert remedy in (error.value.remedy or "")


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("mrunkit/debian:1", "docker.io"),
        ("debian", "docker.io"),
        ("localhost/debian", "localhost"),
        ("r:5000/debian", "r:5000"),
        ("ghcr.io/mrunkit/debian", "ghcr.io"),
    ],
)
def test_registry_is_told_from_a_users_name(name: str, registry: str) -> None:
    """As Docker does: by a dot, a colon or `localhost`."""
    assert registry_of(name) == registry


@pytest.mark.parametrize(("name", "tag"), [("r:5000/mpi", "latest"), ("r:5000/mpi:1", "1")])
def test_one_tag_is_pushed(name: str, tag: str) -> None:
    """Never all that an image happens to have."""
    assert tag_of(name) == tag
