"""Pings and what is seen of them on the wire, on this machine's loopback."""

from __future__ import annotations

import base64
import os
import socket

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.doctor.hosts import Hosts
from mrunkit.provision.doctor.probe import Sniffer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="raw sockets are root's")

HERE = Host(name="here", address="here", is_here=True)


def marker() -> str:
    """Bytes that no other packet has."""
    return base64.b64encode(os.urandom(16)).decode()


def test_pings_reply_in_small_and_in_full_size() -> None:
    """Within a process' own network namespace, in which this process is."""
    with Hosts([HERE]) as hosts:
        answers = hosts.ask(
            lambda _, probe: probe.ask(
                "ping",
                pid=os.getpid(),
                address="127.0.0.1",
                targets=["127.0.0.1", "127.0.0.2"],
                marker=marker(),
                seconds=10.0,
            )
        )
    told = answers.by_host["here"]
    assert told["mtu"] >= 1500
    assert (told["small"], told["full"]) == (["127.0.0.1", "127.0.0.2"],) * 2


def test_what_does_not_reply_is_waited_for_and_told() -> None:
    """An address of TEST-NET-1, which nobody has."""
    with Hosts([HERE]) as hosts:
        answers = hosts.ask(
            lambda _, probe: probe.ask(
                "ping",
                pid=os.getpid(),
                address="127.0.0.1",
                targets=["127.0.0.1", "192.0.2.77"],
                marker=marker(),
                seconds=1.0,
            )
        )
    assert answers.by_host["here"]["small"] == ["127.0.0.1"]


def test_a_process_that_is_gone_is_a_refusal() -> None:
    """Its container has ended meanwhile."""
    with Hosts([HERE]) as hosts:
        answers = hosts.ask(
            lambda _, probe: probe.ask(
                "ping", pid=2**22 + 1, address="", targets=[], marker=marker(), seconds=1.0
            )
        )
    assert "No such file" in answers.by_host["here"]["error"]


def test_a_marker_is_seen_where_it_leaves_in_the_clear() -> None:
    """And another's packets are not counted as ours."""
    ours = marker()

    def look(sent: str) -> list[dict[str, object]]:
        with Hosts([HERE]) as hosts:
            answers = hosts.ask(
                lambda _, probe: [
                    probe.ask("sniff", marker=ours, addresses=["127.0.0.9"]),
                    probe.ask(
                        "ping",
                        pid=os.getpid(),
                        address="127.0.0.1",
                        targets=["127.0.0.9"],
                        marker=sent,
                        seconds=10.0,
                    ),
                    probe.ask("sniffed"),
                ][-1]
            )
        return answers.by_host["here"]

    (seen,) = look(ours)
    assert (seen["target"], seen["esp"], seen["fragments"]) == ("127.0.0.9", 0, 0)
    assert int(str(seen["plain"])) >= 2
    (of_another,) = look(marker())
    assert of_another["plain"] == 0


def test_what_was_sent_before_the_end_is_counted() -> None:
    """Packets still wait in the socket when it is over."""
    ours = os.urandom(16)
    sniffer = Sniffer(ours, {"127.0.0.9"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for _ in range(100):
            sending.sendto(ours, ("127.0.0.9", 9))
    (seen,) = sniffer.stop()
    assert seen["plain"] == 100
