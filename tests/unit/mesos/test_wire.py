"""JSON of a real Mesos 1.11 to the scheduler's values, and back to what it accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mrunkit.mesos.wire import (
    FrameworkSpec,
    TaskCommand,
    framework_info,
    offer_ids,
    parse_agents,
    parse_event,
    parse_shares,
    task_info,
)
from mrunkit.scheduler.commands import LaunchTask
from mrunkit.scheduler.events import (
    AgentLost,
    Event,
    MasterErred,
    OfferRescinded,
    OffersReceived,
    TaskState,
    TaskUpdated,
)
from mrunkit.scheduler.offers import Agent, Attribute, Offer, Share
from mrunkit.scheduler.resources import Resources
from mrunkit.scheduler.running import describe_end

RECORDED = Path(__file__).parents[2] / "data" / "mesos-wire"
EVENTS: dict[str, Any] = json.loads((RECORDED / "events.json").read_text())
ACCEPTED: dict[str, Any] = json.loads((RECORDED / "accepted-tasks.json").read_text())
SLAVES: dict[str, Any] = json.loads((RECORDED / "slaves.json").read_text())

WHOLE = Resources(cpus=4.0, mem=2048.0, disk=10000.0, ports=((31000, 31099),))


def parsed(name: str) -> Event | None:
    """The event for a recorded one."""
    return parse_event(EVENTS[name], jitter=0.25)


def parsed_offer(name: str) -> Offer:
    """The only offer of a recorded event."""
    event = parsed(name)
    assert isinstance(event, OffersReceived)
    (offer,) = event.offers
    return offer


def test_an_offer_is_read() -> None:
    """Ids, names, address, resources and attributes of all types."""
    event = parsed("attributes")
    assert event == OffersReceived(
        jitter=0.25,
        offers=(
            Offer.of(
                "e6dfaa63-d3af-4d43-8b16-9d9d709a25cd-O1",
                "e6dfaa63-d3af-4d43-8b16-9d9d709a25cd-S0",
                hostname="host1",
                address="127.0.0.1",
                shares=(Share(role="*", resources=WHOLE),),
                attributes=(
                    Attribute(name="rack", values=frozenset({"r1"})),
                    Attribute(name="level", ranges=((10.0, 10.0),)),
                    Attribute(name="rng", ranges=((1, 5),)),
                    Attribute(name="host", values=frozenset({"host1"})),
                    Attribute(name="os.ver", ranges=((12.1, 12.1),)),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rack", "r1", True),
        ("rack", "r2", False),
        ("level", "10", True),
        ("level", "10.0", True),
        ("level", "ten", False),
        ("rng", "1", True),
        ("rng", "5", True),
        ("rng", "6", False),
        ("os.ver", "12.1", True),
    ],
)
def test_an_attribute_is_compared_by_its_type(name: str, value: str, expected: bool) -> None:
    """Numbers as numbers, ranges by what they span, texts letter by letter."""
    attributes = {attribute.name: attribute for attribute in parsed_offer("attributes").attributes}
    assert attributes[name].has(value) == expected


def test_a_set_has_each_of_its_items() -> None:
    """mesos.proto allows sets as attributes, although no agent's flag does."""
    raw = {"name": "nets", "type": "SET", "set": {"item": ["ib", "eth"]}}
    offer = dict(EVENTS["attributes"]["offers"]["offers"][0], attributes=[raw])
    event = parse_event({"type": "OFFERS", "offers": {"offers": [offer]}}, jitter=0.0)
    assert isinstance(event, OffersReceived)
    assert event.offers[0].attributes == (Attribute(name="nets", values=frozenset({"ib", "eth"})),)


def test_fragmented_ports_are_read() -> None:
    """Every range of those that other tasks have left."""
    assert parsed_offer("fragmented-ports").available.ports == (
        (31000, 31004),
        (31007, 31009),
        (31011, 31099),
    )


def test_what_an_operator_has_reserved_by_hand_is_left_alone() -> None:
    """Dynamic reservations, in the old format and in the new one."""
    for name in ("reserved-dynamically", "reservation-refinement"):
        assert parsed_offer(name).shares == (
            Share(
                role="*",
                resources=Resources(cpus=3.0, mem=1920.0, disk=9900.0, ports=((31000, 31099),)),
            ),
        )


def test_what_is_reserved_for_a_role_is_a_share_of_its_own() -> None:
    """A task must say of which role's part it takes how much."""
    scalar = {"name": "cpus", "type": "SCALAR"}
    entries = [
        {**scalar, "scalar": {"value": 3.0}, "role": "*"},
        {**scalar, "scalar": {"value": 1.0}, "role": "web"},
        {**scalar, "scalar": {"value": 0.5}, "role": "*", "revocable": {}},
        {"name": "disk", "scalar": {"value": 9.0}, "role": "*", "disk": {"volume": {}}},
        {"name": "bandwidth", "type": "SCALAR", "scalar": {"value": 7.0}, "role": "*"},
    ]
    assert parse_shares(entries) == (
        Share(role="*", resources=Resources(cpus=3.0)),
        Share(role="web", resources=Resources(cpus=1.0)),
    )


def test_offers_to_a_framework_of_several_roles_are_read() -> None:
    """With an allocation_info in each resource."""
    assert parsed_offer("multi-role").available == WHOLE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "running",
            TaskUpdated(task_id="a1-cmd", state=TaskState.RUNNING, source="SOURCE_EXECUTOR"),
        ),
        (
            "finished",
            TaskUpdated(
                task_id="a1-cmd",
                state=TaskState.FINISHED,
                message="Command exited with status 0",
                source="SOURCE_EXECUTOR",
            ),
        ),
        (
            "invalid-offers",
            TaskUpdated(
                task_id="c-unk",
                state=TaskState.LOST,
                message="Task launched with invalid offers: Offer nope is no longer valid",
                reason="REASON_INVALID_OFFERS",
                source="SOURCE_MASTER",
            ),
        ),
        (
            "unreachable",
            TaskUpdated(
                task_id="d2-ckptPA",
                state=TaskState.UNREACHABLE,
                message="health check timed out",
                reason="REASON_AGENT_REMOVED",
                source="SOURCE_MASTER",
            ),
        ),
        ("agent-lost", AgentLost(agent_id="ef24c95a-8d90-44b7-b49b-0fdbb8b3da48-S0")),
        ("executor-lost", None),  # its tasks' updates say the same
        ("error", MasterErred(message="the master says: Framework has been removed")),
        ("rescind", OfferRescinded(offer_id="30ff0a32-bf56-4b74-8b5d-91d18bef5c05-O11")),
        ("heartbeat", None),
    ],
)
def test_an_event_is_read(name: str, expected: Event | None) -> None:
    """Each kind of event of the stream becomes one of the scheduler's, or none."""
    assert parsed(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("finished", "Command exited with status 0"),
        ("agent-disconnected", "Agent host1 disconnected (agent disconnected)"),
        ("executor-terminated", "Executor terminated (executor terminated)"),
        (
            "out-of-memory",
            "Memory limit exceeded: Requested: 96MB Maximum Used: 96MB "
            "(container limitation memory)",
        ),
        ("running", "running"),
    ],
)
def test_an_end_is_told_in_one_line(name: str, expected: str) -> None:
    """In Mesos' own words, without the pages that may follow them."""
    event = parsed(name)
    assert isinstance(event, TaskUpdated)
    assert describe_end(event) == expected


def test_the_capacity_of_agents_is_read() -> None:
    """All of it, used and offered parts included; attributes as the endpoint prints them."""
    assert parse_agents(SLAVES, role="*") == (
        Agent(
            agent_id="daff48fb-badd-4f55-b63d-fa194a027671-S0",
            hostname="host1",
            address="127.0.0.1",
            attributes=parsed_offer("attributes").attributes,
            available=WHOLE,
        ),
    )


@pytest.mark.parametrize("change", [{"deactivated": True}, {"drain_info": {"state": "DRAINING"}}])
def test_agents_that_take_no_tasks_do_not_count(change: dict[str, Any]) -> None:
    """Whoever is about to go is no capacity."""
    assert parse_agents({"slaves": [{**SLAVES["slaves"][0], **change}]}, role="*") == ()


def test_agents_that_are_briefly_away_count() -> None:
    """Their connection broke; the master keeps what it knows of them."""
    (agent,) = SLAVES["slaves"]
    gone = {"slaves": [{**agent, "active": False}]}
    assert parse_agents(gone, role="*") == parse_agents(SLAVES, role="*")


def test_nothing_is_known_before_all_agents_are_back_at_a_new_master() -> None:
    """Of those that are not, it has written down the SlaveInfo without its resources."""
    (agent,) = SLAVES["slaves"]
    recovered = {name: agent[name] for name in ("id", "hostname", "port", "attributes")}
    assert parse_agents({**SLAVES, "recovered_slaves": [recovered]}, role="*") is None


@pytest.mark.parametrize(
    ("role", "cpus"), [("*", 3.0), ("web", 4.0), ("db", 3.0), ("web/shop", 4.0), ("website", 3.0)]
)
def test_a_role_has_what_is_reserved_for_it(role: str, cpus: float) -> None:
    """And what is reserved for nobody, but not what is for others."""
    agent = {
        **SLAVES["slaves"][0],
        "unreserved_resources": {"cpus": 3.0, "mem": 1.0, "ports": "[1-2, 4-5]"},
        "reserved_resources": {"web": {"cpus": 1.0}},
    }
    (parsed_agent,) = parse_agents({"slaves": [agent]}, role=role)
    assert parsed_agent.available == Resources(cpus=cpus, mem=1.0, ports=((1, 2), (4, 5)))


def test_what_was_reserved_dynamically_is_nobodys() -> None:
    """It is in no offer that a job takes, so it must not count as room for one."""
    static = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}, "role": "web"}
    kinds = [{"reservations": [{"type": kind, "role": "web"}]} for kind in ("STATIC", "DYNAMIC")]
    agent = {
        **SLAVES["slaves"][0],
        "unreserved_resources": {"cpus": 3.0},
        "reserved_resources": {"web": {"cpus": 2.0}},
        "reserved_resources_full": {"web": [{**static, **kind} for kind in kinds]},
    }
    (parsed_agent,) = parse_agents({"slaves": [agent]}, role="web")
    assert parsed_agent.available.cpus == 4.0


def _as_recorded(info: dict[str, Any]) -> dict[str, Any]:
    """Without what the recorded calls left to its default: the role "*", no environment."""
    for entry in info["resources"]:
        assert entry.pop("role") == "*"
    assert info["command"].pop("environment") == {"variables": []}
    return info


@pytest.mark.parametrize(
    ("name", "resources"),
    [
        ("a1-cmd", Resources(cpus=0.5, mem=64.0)),
        ("a3-dock", Resources(cpus=0.1, mem=64.0, ports=((31000, 31000),))),
    ],
)
def test_a_task_is_written_as_mesos_accepted_it(name: str, resources: Resources) -> None:
    """A process and a container that a real master has launched."""
    accepted = ACCEPTED[name]
    launch = LaunchTask(
        task_id=name,
        agent_id=accepted["agent_id"]["value"],
        hostname="host1",
        address="127.0.0.1",
        ranks=1,
        shares=(Share(role="*", resources=resources),),
        offer_ids=("O1",),
    )
    command = TaskCommand(shell=accepted["command"]["value"], container=accepted.get("container"))
    assert _as_recorded(task_info(launch, command, name=name)) == accepted


def test_a_tasks_environment_and_roles_are_written() -> None:
    """Each share under its role, each variable by name."""
    launch = LaunchTask(
        task_id="t",
        agent_id="S0",
        hostname="h",
        address="a",
        ranks=1,
        shares=(
            Share(role="web", resources=Resources(cpus=1.0)),
            Share(role="*", resources=Resources(ports=((1, 2), (4, 4)))),
        ),
        offer_ids=("O1",),
    )
    info = task_info(launch, TaskCommand(shell="true", env={"A": "b=c"}), name="n")
    assert info["command"]["environment"] == {"variables": [{"name": "A", "value": "b=c"}]}
    assert info["resources"] == [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}, "role": "web"},
        {
            "name": "ports",
            "type": "RANGES",
            "ranges": {"range": [{"begin": 1, "end": 2}, {"begin": 4, "end": 4}]},
            "role": "*",
        },
    ]


def test_what_is_written_is_read_back() -> None:
    """Shares survive the way to Mesos' JSON and back."""
    shares = (
        Share(role="web", resources=Resources(cpus=0.1, mem=32.0, disk=1.0, gpus=1.0)),
        Share(role="*", resources=Resources(cpus=0.2, ports=((1, 2), (4, 4)))),
    )
    launch = LaunchTask(
        task_id="t",
        agent_id="S",
        hostname="h",
        address="a",
        ranks=1,
        shares=shares,
        offer_ids=(),
    )
    info = task_info(launch, TaskCommand(shell="true"), name="n")
    assert parse_shares(info["resources"]) == shares


def test_a_framework_goes_with_its_connection() -> None:
    """failover_timeout 0: nothing is left running when the client is gone."""
    spec = FrameworkSpec(name="hello", user="me", hostname="client")
    assert framework_info(spec) == {
        "name": "hello",
        "user": "me",
        "role": "*",
        "failover_timeout": 0.0,
        "checkpoint": False,
        "hostname": "client",
    }


def test_a_framework_says_who_it_is_and_what_it_can() -> None:
    """A principal and GPUs only where they are given."""
    info = framework_info(FrameworkSpec(name="n", user="u", principal="p", uses_gpus=True))
    assert (info["principal"], info["capabilities"]) == ("p", [{"type": "GPU_RESOURCES"}])


def test_offer_ids_are_written() -> None:
    """As ACCEPT and DECLINE take them."""
    assert offer_ids(("O1", "O2")) == [{"value": "O1"}, {"value": "O2"}]
