"""How MASTER is read, and which ZooKeeper node leads."""

from __future__ import annotations

import pytest

from mrunkit.errors import ExitStatus, UsageError
from mrunkit.mesos.address import HostPort, ZooKeeper, leading_node, parse_master


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host0:5050", HostPort(host="host0", port=5050)),
        ("host0", HostPort(host="host0", port=5050)),
        ("10.0.0.1:80", HostPort(host="10.0.0.1", port=80)),
        ("http://host0:5051/", HostPort(host="host0", port=5051)),
        ("a-b_c.example:65535", HostPort(host="a-b_c.example", port=65535)),
        ("zk://z1:2181/mesos", ZooKeeper(hosts="z1:2181", path="/mesos")),
        ("zk://z1:2181,z2,z3:1/a/b/", ZooKeeper(hosts="z1:2181,z2,z3:1", path="/a/b")),
        ("zk://[::1]:2181,[::2]/m", ZooKeeper(hosts="[::1]:2181,[::2]", path="/m")),
        ("zk://me:pw@z1:2181,z2/m", ZooKeeper(hosts="me:pw@z1:2181,z2", path="/m")),
    ],
)
def test_a_master_is_read(text: str, expected: HostPort | ZooKeeper) -> None:
    """HOST[:PORT], as a URL too, and ensembles with their path."""
    assert parse_master(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":5050",
        "host:",
        "host:0",
        "host:65536",
        "host:x",
        "two words",
        "zk://z1",
        "zk:///m",
        "zk://z1:x/m",
        "zk://z1:99999/m",
        "zk://z1:0/m",
        "zk://z1:/m",
        "zk://z1:2181,/m",
        "zk://z1,z2:x/m",
        "zk://me@/m",
        "zk://z1:1:2/m",
        "zk://z1/m/../n",
        "zk://z1/\udcff",
        "https://h:1",
        "h:1:2",
    ],
)
def test_what_is_no_master_is_refused_with_the_forms_there_are(text: str) -> None:
    """It is a usage error, and the remedy shows what would be right."""
    with pytest.raises(UsageError) as raised:
        parse_master(text)
    assert str(raised.value) == f"{text!r} is not a master"
    assert raised.value.remedy is not None
    assert "zk://HOST:PORT" in raised.value.remedy
    assert raised.value.exit_status == ExitStatus.USAGE


def test_the_oldest_node_leads() -> None:
    """By its sequence number, whatever else masters and agents keep there."""
    children = ["log_replicas", "json.info_0000000012", "json.info_0000000009", "info_0000000001"]
    assert leading_node(children) == "json.info_0000000009"


def test_without_masters_nobody_leads() -> None:
    """Between two elections, or before the first."""
    assert leading_node(["log_replicas"]) is None
