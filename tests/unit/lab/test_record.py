"""A lab's record, and its state in a word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labs import GUESTS, guest_lab, lab, request

from mrunkit.lab.record import (
    EngineRecord,
    HostState,
    LabRecord,
    differences,
    from_json,
    lab_state,
    to_json,
)
from mrunkit.lab.request import Acceleration, Backend, GuestSize, Suite, recipe

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


BARE_GUESTS = recipe(Backend.QEMU, Suite.BOOKWORM, is_ready=False)
READY_GUESTS = recipe(Backend.QEMU, Suite.BOOKWORM, is_ready=True)
OF_TREE = guest_lab(base="/cache/guests/bookworm-0", packages=BARE_GUESTS.packages)
OF_IMAGE = guest_lab(
    base="/images/a.qcow2", packages=(), guests=replace(GUESTS, is_cloud_image=True)
)


@pytest.mark.parametrize(
    ("found", "asked", "expected"),
    [
        (lab(), {}, []),
        (lab(), {"suite": Suite.BOOKWORM}, []),
        (lab(), {"suite": Suite.TRIXIE}, ["of suite bookworm"]),
        (OF_TREE, {}, []),
        (OF_TREE, {"suite": Suite.NOBLE}, ["of suite bookworm"]),
        (OF_TREE, {"recipe": READY_GUESTS}, ["without"]),
        (OF_TREE, {"image": Path("/images/a.qcow2")}, ["of a base tree"]),
        (OF_TREE, {"size": GuestSize(memory=1024, cpus=1, cgroups=2)}, []),
        (OF_TREE, {"size": GuestSize(acceleration=Acceleration.AUTO)}, []),
        (OF_TREE, {"size": GuestSize(acceleration=Acceleration.KVM)}, ["with --accel tcg"]),
        (
            OF_TREE,
            {"size": GuestSize(memory=2048, cpus=2, cgroups=1)},
            ["with --memory 1024", "with --cpus 1", "with --cgroups 2"],
        ),
        (OF_IMAGE, {}, []),
        (OF_IMAGE, {"image": Path("/images/a.qcow2")}, []),
        (OF_IMAGE, {"image": Path("/images/b.qcow2")}, ["of image /images/a.qcow2"]),
        (OF_IMAGE, {"suite": Suite.BOOKWORM}, ["of image /images/a.qcow2"]),
        (OF_IMAGE, {"recipe": READY_GUESTS}, ["of image /images/a.qcow2"]),
    ],
)
def test_a_lab_is_taken_only_for_what_it_is(
    found: LabRecord, asked: dict[str, Any], expected: list[str]
) -> None:
    """What was not asked for does not matter."""
    of_backend = {"recipe": BARE_GUESTS} if found.backend is Backend.QEMU else {}
    wanted = request(backend=found.backend, hosts=None, **{**of_backend, **asked})
    told = differences(found, wanted)
    assert [line.split(" apparmor")[0] for line in told] == expected


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
