"""Addresses, names and units as the roles write them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook_plugins import load

plugin = load("filter_plugins/lab_names.py")


@given(st.sets(st.ip_addresses(v=4), max_size=40))
def test_networks_hold_the_addresses_and_no_other(addresses: set[ipaddress.IPv4Address]) -> None:
    """A firewall opened for them lets in nobody else."""
    networks = plugin.lab_networks(map(str, addresses))
    assert sum(ipaddress.IPv4Network(text).num_addresses for text in networks) == len(addresses)
    assert all(
        any(address in ipaddress.IPv4Network(text) for text in networks) for address in addresses
    )


def test_neighbouring_addresses_become_one_network() -> None:
    """Five hundred hosts are few rules."""
    addresses = [f"192.0.2.{index}" for index in range(8, 17)]
    assert plugin.lab_networks(addresses) == ["192.0.2.8/29", "192.0.2.16"]


def test_a_host_is_known_by_both_names_where_they_tell_it_apart() -> None:
    """The inventory's name and the host's own, full and short."""
    addresses = {"host0": "192.0.2.1", "192.0.2.2": "192.0.2.2", "host2": "192.0.2.3"}
    hostnames = {"host0": "a.lan", "192.0.2.2": "b", "host2": "localhost.localdomain"}
    assert plugin.lab_known_names(addresses, hostnames) == {
        "host0": ["host0", "a.lan", "a"],
        "192.0.2.2": ["b"],
        "host2": ["host2"],
    }


def test_a_hostname_that_is_anothers_name_is_not_taken() -> None:
    """The inventory decides who host1 is."""
    addresses = {"host0": "192.0.2.1", "host1": "192.0.2.2"}
    hostnames = {"host0": "host1", "host1": "host0"}
    expected = {"host0": ["host0"], "host1": ["host1"]}
    assert plugin.lab_known_names(addresses, hostnames) == expected


def test_hosts_that_share_a_hostname_have_none() -> None:
    """Copies of one disk are told apart by the inventory only."""
    addresses = {"host0": "192.0.2.1", "host1": "192.0.2.2"}
    names = plugin.lab_known_names(addresses, {"host0": "copy", "host1": "copy"})
    assert names == {"host0": ["host0"], "host1": ["host1"]}


@pytest.mark.parametrize(
    ("port", "line"),
    [
        (22, "host0,192.0.2.1 ssh-ed25519 AAAA"),
        (2222, "[host0]:2222,[192.0.2.1]:2222 ssh-ed25519 AAAA"),
    ],
)
def test_known_hosts_names_keys_as_ssh_looks_for_them(port: int, line: str) -> None:
    """Another port is part of the name."""
    told = plugin.lab_known_hosts(
        {"host0": ["ssh-ed25519 AAAA"]},
        {"host0": "192.0.2.1"},
        {"host0": ["host0"]},
        {"host0": port},
    )
    assert told == line


def test_lines_of_ssh_config_are_short_however_many_hosts() -> None:
    """A line for 500 hosts has 13,000 characters, and older ssh takes 1,024."""
    addresses = {f"host{index}": f"192.0.2.{index}" for index in range(200)}
    names = {host: [host, f"{host}.example.org"] for host in addresses}
    told = plugin.lab_ssh_config(addresses, names, "~/.ssh/key", dict.fromkeys(addresses, 2222))
    assert max(map(len, told.splitlines())) < 1024
    assert told.splitlines()[-3:] == [
        "Host host199 host199.example.org 192.0.2.199",
        "    IdentityFile ~/.ssh/key",
        "    Port 2222",
    ]


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/share", "share.mount"),
        ("/srv/lab/", "srv-lab.mount"),
        ("//srv//mpi-lab", r"srv-mpi\x2dlab.mount"),
        ("/.hidden/.too", r"\x2ehidden-.too.mount"),
        ("/a b", r"a\x20b.mount"),
        ("/ä", r"\xc3\xa4.mount"),
        ("/", "-.mount"),
    ],
)
def test_units_are_named_as_systemd_escape_names_them(path: str, unit: str) -> None:
    """Recorded from `systemd-escape --path --suffix=mount` of systemd 252."""
    assert plugin.lab_unit_name(path) == unit


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("", ""),
        ("mesos.tar.gz", "/labs/one/mesos.tar.gz"),
        ("../keys/a.asc", "/labs/one/../keys/a.asc"),
        ("/srv/images.tar", "/srv/images.tar"),
        ("~/wheels", "/home/alice/wheels"),
    ],
)
def test_paths_of_this_machine_are_seen_from_the_inventory(
    source: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows where the playbooks are."""
    monkeypatch.setenv("HOME", "/home/alice")
    assert plugin.lab_local_path(source, "/labs/one") == path
