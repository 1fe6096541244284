"""A lab of containers belongs to one engine; another one is never taken for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from labs import lab

from mrunkit.lab.docker_hosts import DockerHosts
from mrunkit.lab.record import EngineRecord, HostState, LabRecord
from mrunkit.lab.request import LabError

OURS = EngineRecord(identity="e1", docker_host=None)


@dataclass
class FakeEngine:
    """An engine, and its API at the same time, that has nothing."""

    identity: str
    asked: list[str] = field(default_factory=list)

    @property
    def api(self) -> FakeEngine:
        """Itself."""
        return self

    def info(self) -> dict[str, Any]:
        """As `docker info`."""
        return {"ID": self.identity}

    def containers(self, **_: Any) -> list[Any]:
        """None."""
        self.asked.append("containers")
        return []


def hosts(engine: FakeEngine, docker_host: str | None = None) -> DockerHosts:
    """The backend over this engine."""
    return DockerHosts(cast("Any", engine), Path("/nowhere"), docker_host=docker_host)


@pytest.mark.parametrize("act", [DockerHosts.states, DockerHosts.remove, DockerHosts.start])
def test_a_lab_of_another_engine_is_left_alone(act: Any) -> None:
    """Its containers are not missing, only elsewhere."""
    other = FakeEngine("e2")
    with pytest.raises(LabError, match="lab trial was made with another Docker engine"):
        act(hosts(other), lab(1, engine=OURS))
    assert other.asked == []


@pytest.mark.parametrize(
    ("docker_host", "now", "remedy"),
    [
        (None, "tcp://b:1", "unset DOCKER_HOST;"),
        ("tcp://a:1", None, "set DOCKER_HOST=tcp://a:1;"),
        ("tcp://a:1", "tcp://a:1", "it was reached in the same way;"),
    ],
)
def test_what_to_set_is_told(docker_host: str | None, now: str | None, remedy: str) -> None:
    """And what to do where the engine was made anew."""
    found = lab(1, engine=EngineRecord(identity="e1", docker_host=docker_host))
    with pytest.raises(LabError) as raised:
        hosts(FakeEngine("e2"), now).states(found)
    assert str(raised.value.remedy).startswith(remedy)


@pytest.mark.parametrize("found", [lab(1, engine=OURS), lab(1)])
def test_a_lab_of_this_engine_is_seen(found: LabRecord) -> None:
    """Also one of which no engine was written down."""
    assert hosts(FakeEngine("e1")).states(found) == {"host0": HostState.MISSING}
