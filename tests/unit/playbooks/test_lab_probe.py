"""What the probe makes of what a host's files and commands say."""

from __future__ import annotations

from pathlib import Path

import pytest
from playbook_plugins import load

probe = load("roles/validate/library/lab_probe.py")

NO_MODULES: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("loaded", "available", "config", "expected"),
    [
        ({"esp4"}, None, None, "yes"),
        (NO_MODULES, {"esp4"}, None, "yes"),
        (NO_MODULES, None, {"CONFIG_INET_ESP": "y"}, "yes"),
        (NO_MODULES, {"nfsd"}, {"CONFIG_INET_ESP": "y"}, "yes"),
        (NO_MODULES, {"nfsd"}, None, "no"),
        (NO_MODULES, {"nfsd"}, {"CONFIG_INET_ESP": "m"}, "no"),
        (NO_MODULES, None, {"CONFIG_INET_ESP": "m"}, "unknown"),
        (NO_MODULES, None, {"CONFIG_XFRM": "y"}, "no"),
        (NO_MODULES, None, None, "unknown"),
    ],
)
def test_a_kernels_feature_is_told_from_what_can_be_seen(
    loaded: set[str], available: set[str] | None, config: dict[str, str] | None, expected: str
) -> None:
    """Built in counts; a module counts where it can be loaded; where nothing tells, nothing is."""
    assert probe.feature("esp4", "INET_ESP", loaded, available, config) == expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("-P INPUT ACCEPT\n", False),
        ("-P INPUT DROP\n", True),
        ("-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with x\n", True),
        ("-P INPUT ACCEPT\n-A INPUT -p udp -m udp --dport 4789 -m bpf -j DROP\n", False),
        ("", False),
    ],
)
def test_iptables_counts_as_a_firewall_when_it_turns_away_the_rest(
    listed: str, expected: bool
) -> None:
    """What Docker adds for encrypted networks is none."""
    assert probe.iptables_is_closed(listed) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Docker version 20.10.24+dfsg1, build 5d6db84\n", "20.10.24+dfsg1"),
        ("Docker version 29.1.3, build 29.1.3-0ubuntu3~22.04.1\n", "29.1.3"),
        ("", ""),
    ],
)
def test_dockers_version_is_read_from_what_it_prints(printed: str, expected: str) -> None:
    """Without the build, whose number may look like a version."""
    assert probe.docker_version(printed) == expected


@pytest.mark.parametrize(
    ("configured", "connection", "expected"),
    [
        ("port 22\naddressfamily any\n", "192.0.2.1 40000 192.0.2.2 22", [22]),
        ("port 2222\nport 22\n", "192.0.2.1 40000 192.0.2.2 2222", [2222, 22]),
        ("port 22\n", "192.0.2.1 40000 192.0.2.2 2222", [2222]),
        ("port 2222\n", "", [2222]),
        ("", "", []),
    ],
)
def test_sshds_ports_are_those_of_its_configuration_and_its_connection(
    configured: str, connection: str, expected: list[int]
) -> None:
    """A unit's socket or an option may say otherwise than the configuration."""
    assert probe.ssh_ports(configured, connection) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["# * soft nofile 5\n*\tsoft\tnofile 1048576 # all\n"], {"* soft": 1048576}),
        (["* soft nofile 9999", "* soft nofile 4096"], {"* soft": 4096}),
        (["root - nofile unlimited"], {"root soft": -1, "root hard": -1}),
        (["@mpi soft nofile 9999\n* soft nproc 9999\n"], {}),
    ],
)
def test_limits_are_those_that_hold(texts: list[str], expected: dict[str, int]) -> None:
    """The last line for all, or for root; groups have their own whatever holds for all."""
    assert probe.nofile_limits(texts) == expected


NFTABLES = """
table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy %s;
\t\ttcp dport 22 accept
\t\t%s
\t}
\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t}
}
table ip filter {
\tchain INPUT {
\t\ttype filter hook input priority filter; policy drop;
\t}
}
"""


@pytest.mark.parametrize(
    ("policy", "last", "expected"),
    [
        ("drop", "", ["inet filter input"]),
        ("accept", "counter packets 3 bytes 180 drop", ["inet filter input"]),
        ("accept", "reject with icmpx admin-prohibited", ["inet filter input"]),
        ("accept", "ip saddr 192.0.2.1 drop", []),
    ],
)
def test_nftables_chains_that_turn_away_the_rest_are_found(
    policy: str, last: str, expected: list[str]
) -> None:
    """Only what comes in counts, and iptables' own chain is left to iptables."""
    assert probe.nftables_chains(NFTABLES % (policy, last)) == expected


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("ip", ["ip filter input"]),
        ("inet", ["inet filter input"]),
        ("ip6", []),
        ("bridge", []),
        ("arp", []),
    ],
)
def test_only_nftables_chains_that_see_ipv4_are_found(family: str, expected: list[str]) -> None:
    """In others, a rule with an address of the lab's hosts would be an error."""
    ruleset = NFTABLES.replace("inet", family) % ("drop", "")
    assert probe.nftables_chains(ruleset) == expected


def test_a_chain_of_nftables_may_be_called_as_iptables_one() -> None:
    """As in the sample that Red Hat's package of nftables brings."""
    ruleset = NFTABLES.replace("inet filter", "inet nftables_svc").replace("input {", "INPUT {")
    assert probe.nftables_chains(ruleset % ("accept", "reject")) == ["inet nftables_svc INPUT"]


def test_networks_are_read_off_the_routing_table() -> None:
    """As /proc/net/route of a host with Docker shows it, without the default route."""
    routes = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t011F580A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t001F580A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert probe.networks(routes) == [
        {"interface": "eth0", "network": "10.88.31.0/24"},
        {"interface": "docker0", "network": "172.17.0.0/16"},
    ]


def test_automounts_are_read_off_the_mounts() -> None:
    """As /proc/mounts shows one that waits, one that is mounted, and a space."""
    mounts = (
        "systemd-1 /share autofs rw,relatime,fd=49,direct 0 0\n"
        "192.0.2.1:/share /other nfs4 rw 0 0\n"
        "systemd-1 /my\\040share autofs rw 0 0\n"
    )
    assert probe.automounts(mounts) == ["/share", "/my share"]


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n", True),
        ("cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n", True),
        ("cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n", False),
        ("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", False),
        ("cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n", False),
    ],
)
def test_control_groups_are_read_off_the_mounts(mounts: str, *, expected: bool) -> None:
    """A hierarchy for systemd alone is none for tasks."""
    assert probe.has_cgroups_v1(mounts) == expected


@pytest.mark.parametrize(
    ("modified", "expected"), [(50.0, False), (100.5, False), (150.0, True), (250.0, False)]
)
def test_a_service_is_stale_when_its_file_is_newer(modified: float, expected: bool) -> None:
    """It started at 100, now is 200; a time to come is a clock that was set back."""
    assert probe.is_stale(modified, 100.0, 200.0) == expected


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("127.0.0.1 localhost\n::1 localhost ip6-localhost\n", False),
        ("127.0.0.1 localhost\n127.0.1.1 host1.lan host1\n", True),
        ("127.0.0.1 host1.lan host1 \n127.0.0.1 localhost.localdomain localhost\n", True),
        ("::1 host1.lan host1\n::1 localhost6.localdomain6 localhost6\n", True),
        ("# taken out by mrunkit: 127.0.0.1 host1.lan host1\n", False),
        ("192.0.2.10 host1\n", False),
    ],
)
def test_a_loopback_address_with_a_name_of_its_own_is_found(hosts: str, *, expected: bool) -> None:
    """As Debian's installer and cloud-init on Rocky and Alma write; localhost's lines are none."""
    assert probe.has_loopback_name(hosts) == expected


def test_what_a_mount_would_hide_is_seen(tmp_path: Path) -> None:
    """Files and other mounts; what waits for its first access is the lab's own."""
    share = str(tmp_path)
    assert probe.hidden_by_share(share, "") == ""
    assert probe.hidden_by_share(f"{share}/none", "") == ""
    (tmp_path / "work").touch()
    assert probe.hidden_by_share(share, "sda1 / ext4 rw 0 0\n") == "files"
    automount = f"systemd-1 {share} autofs rw 0 0\n"
    assert probe.hidden_by_share(share, automount) == ""
    assert probe.hidden_by_share(share, f"{automount}host0:/share {share} nfs4 rw 0 0\n") == ""
    assert probe.hidden_by_share(share, f"mds@tcp:/lab {share} lustre rw 0 0\n") == "lustre"


def test_exports_of_the_host_are_told_from_the_labs() -> None:
    """Comments are none, and nor is what the lab wrote."""
    exports = (
        "# /etc/exports\n"
        "/home 10.0.0.0/8(rw)\n"
        "\n"
        "# BEGIN lab of mrunkit\n"
        '"/share" 10.0.0.1(rw)\n'
        "# END lab of mrunkit\n"
    )
    assert probe.exports_of_host([exports, "  /srv *(ro)\n"]) == [
        "/home 10.0.0.0/8(rw)",
        "/srv *(ro)",
    ]


def test_running_units_are_told_from_those_that_are_not_there() -> None:
    """As systemctl shows them: also what is not installed, and an alias by its real name."""
    shown = (
        "Id=ntpsec.service\nActiveState=active\n\n"
        "Id=ntpd.service\nActiveState=inactive\n\n"
        "Id=openntpd.service\nActiveState=inactive\n"
    )
    assert probe.active_units(shown) == ["ntpsec.service"]
    assert probe.active_units("") == []


def test_what_others_have_put_where_the_lab_would_is_seen(tmp_path: Path) -> None:
    """The lab's own bears its mark; a mask is nobody's; what is not there is free."""
    ours, theirs, masked = (tmp_path / f"{name}.service" for name in ("ours", "theirs", "masked"))
    ours.write_text("# A unit.\n# Written by mrunkit; changes are lost.\n[Unit]\n")
    theirs.write_text("[Unit]\n")
    masked.symlink_to("/dev/null")
    link, absent = tmp_path / "link", tmp_path / "absent.service"
    link.symlink_to("nowhere")
    places = {str(path): str(path) for path in (ours, theirs, masked, absent)}

    assert probe.taken({**places, str(link): str(absent)}) == [str(link), str(theirs)]
    assert probe.taken({**places, str(link): str(ours)}) == [str(theirs)]
