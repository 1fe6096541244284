"""A lab's record, and its state in a word."""

from __future__ import annotations

import json

import pytest
from labs import guest_lab, lab

from mrunkit.lab.record import EngineRecord, HostState, LabRecord, from_json, lab_state, to_json

ENGINE = EngineRecord(identity="e1", docker_host="ssh://other")
UP, STOPPED = HostState.RUNNING, HostState.STOPPED


@pytest.mark.parametrize(
    "found", [lab(), guest_lab(), lab(0, is_complete=False), lab(engine=ENGINE)]
)
def test_a_record_is_read_as_it_was_written(found: LabRecord) -> None:
    """Nothing of a lab is lost in its lab.json."""
    assert from_json(to_json(found)) == found


def test_a_record_of_before_engines_were_written_down_is_read() -> None:
    """As it is; the engine that answers has to do."""
    fields = json.loads(to_json(lab()))
    del fields["engine"]
    assert from_json(json.dumps(fields)) == lab()


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((UP, UP), "running"),
        ((STOPPED, STOPPED), "stopped"),
        ((UP, STOPPED), "partly running"),
        ((HostState.UNKNOWN, HostState.UNKNOWN), "unknown"),
    ],
)
def test_a_labs_state_is_that_of_its_hosts(states: tuple[HostState, ...], expected: str) -> None:
    """One word when they agree."""
    assert lab_state(lab(2), dict(zip(("host0", "host1"), states, strict=True))) == expected


def test_a_lab_that_was_never_whole_is_incomplete() -> None:
    """Whatever its hosts do."""
    assert lab_state(lab(1, is_complete=False), {"host0": UP}) == "incomplete"


def test_each_host_has_a_machine_id_of_its_own_which_stays() -> None:
    """Also if another lab has hosts of the same names."""
    other = lab(identity="f" * 32)
    ids = [made.machine_id(host.name) for made in (lab(), other) for host in made.hosts]
    assert len(set(ids)) == 6
    assert lab().machine_id("host0") == ids[0]
    assert [len(found) for found in ids] == [32] * 6
