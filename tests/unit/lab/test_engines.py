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
    """An engine, and its API at the same time, that has nothing but what is said."""

    identity: str
    has: str = ""
    """A kind of which there is one of each lab."""
    asked: list[str] = field(default_factory=list)

    @property
    def api(self) -> FakeEngine:
        """Itself."""
        return self

    def info(self) -> dict[str, Any]:
        """As `docker info`."""
        return {"ID": self.identity}

    def containers(self, **_: Any) -> list[Any]:
        """Those of a lab."""
        self.asked.append("containers")
        return [{"Names": ["/left"]}] if self.has == "containers" else []

    def networks(self, *, filters: dict[str, str] | None = None) -> list[Any]:
        """Those of a lab, or all; of some Docker writes down what was asked for, a gateway here."""
        if filters:
            return [{"Name": "left"}] if self.has == "networks" else []
        return [{"IPAM": {"Config": [{"Subnet": "10.88.0.1/24"}]}}]

    def volumes(self, **_: Any) -> dict[str, Any]:
        """Those of a lab."""
        return {"Volumes": [{"Name": "left"}] if self.has == "volumes" else None}

    def create_network(self, name: str, **_: Any) -> None:
        """Take note."""
        self.asked.append(name)


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


@pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
def test_what_is_left_of_another_lab_of_the_name_is_not_taken_over(kind: str) -> None:
    """A volume would be, with all that is in it; the remedy names the label of all kinds."""
    engine = FakeEngine("e1", has=kind)
    with pytest.raises(LabError, match="has a lab trial already") as raised:
        hosts(engine).place(lab(0), 1)
    assert "label mrunkit.lab.name=trial" in str(raised.value.remedy)
    assert "mrunkit-lab-trial" not in engine.asked


def test_a_lab_gets_a_network_where_nothing_of_its_name_is() -> None:
    """And a host an address on it, where no other network is."""
    engine = FakeEngine("e1")
    (placed,) = hosts(engine).place(lab(0), 1).hosts
    assert placed.name == "host0"
    assert not placed.address.startswith("10.88.0.")
    assert engine.asked[-1] == "mrunkit-lab-trial"
