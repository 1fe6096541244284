"""What base gives every host: names, limits, clocks and openings in its firewall."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from connections import connects
from container_hosts import LabHosts
from jinja2 import Template

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

STEPS = ("validate.yml", "base.yml", "ssh.yml")

HOSTS_TEMPLATE = """## template:jinja
{# Comments are left out of what is written. -#}
# {# The value is replaced at boot. -#}
127.0.1.1 {{fqdn}} {{hostname}}
127.0.0.1 {{fqdn}} {{hostname}}
127.0.0.1 localhost
::1 {{fqdn}} {{hostname}}
"""

CLOSED = """
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -P INPUT DROP
"""
CLOSED_WITH_NFTABLES = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -qy install --no-install-recommends nftables
nft add table inet filter
nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
nft add rule inet filter input iif lo accept
nft add rule inet filter input ct state established,related accept
nft add rule inet filter input tcp dport 22 accept
"""
CLOSED_WITH_UFW = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -qy install --no-install-recommends ufw
ufw allow 22/tcp && ufw --force enable
"""
INSTALL_FIREWALLD = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -qy install --no-install-recommends firewalld iptables
"""
OF_DOCKER = ("-t", "mangle", "-A", "OUTPUT", "-p", "udp", "-j", "MARK", "--set-mark", "0xd0c4e3")
OPENED = "iptables -P INPUT ACCEPT; iptables -F INPUT"


def _addresses(networks: Iterable[str]) -> set[str]:
    """All that are in networks, or in ranges as nft prints them."""
    found: set[str] = set()
    for network in networks:
        first, _, last = network.partition("-")
        begin = ipaddress.IPv4Network(first)[0]
        end = ipaddress.IPv4Network(last or first)[-1]
        found |= {str(ipaddress.IPv4Address(number)) for number in range(int(begin), int(end) + 1)}
    return found


@pytest.fixture(scope="module")
def converged(lab_hosts: LabHosts) -> LabHosts:
    """The hosts once base and ssh ran."""
    lab_hosts.play(*STEPS)
    return lab_hosts


def test_a_second_run_changes_nothing(converged: LabHosts) -> None:
    """Nor does one that only looks."""
    assert set(converged.play(*STEPS).changed.values()) == {0}
    assert set(converged.play(*STEPS, "--check").changed.values()) == {0}


def test_every_host_knows_every_name(converged: LabHosts) -> None:
    """By /etc/hosts, its own name included, and not by a loopback address."""
    for host in converged.containers:
        for other, address in converged.addresses.items():
            assert converged.on(host, "getent", "ahostsv4", other).split()[0] == address


def test_each_host_logs_in_to_each(converged: LabHosts) -> None:
    """Without a question, by name and by address, checking host keys strictly."""
    options = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes")
    for host in converged.containers:
        for other, address in converged.addresses.items():
            assert converged.on(host, "ssh", *options, other, "hostname").strip() == other
            assert converged.on(host, "ssh", *options, address, "hostname").strip() == other


def test_open_files_are_not_made_fewer(converged: LabHosts) -> None:
    """What the host allows all of its users stays; root, of whom it says nothing, gets more."""
    theirs = "* soft nofile 100000"
    converged.on("host1", "sh", "-c", f"echo '{theirs}' >> /etc/security/limits.conf")
    limits = converged.seen("host1").file("/etc/security/limits.d/90-mrunkit.conf")
    converged.play("validate.yml", "base.yml", "--limit", "host1")
    written = limits.content_string
    converged.on("host1", "sed", "-i", "$d", "/etc/security/limits.conf")

    assert [line for line in written.splitlines() if not line.startswith("#")] == [
        "root soft nofile 65536"
    ]


def test_hosts_find_an_sshd_on_another_port(converged: LabHosts, tmp_path: Path) -> None:
    """Without a word of it: where it listens for bootstrap, it does for the other hosts."""
    address = converged.addresses["host1"]
    configuration = "/etc/ssh/sshd_config.d/port.conf"
    inventory = tmp_path / "inventory.ini"
    moved = f"ansible_host={address} ansible_port=2222"
    text = converged.inventory.read_text().replace(f"ansible_host={address}", moved)
    inventory.write_text(text)
    known = converged.directory / "known_hosts"
    before = known.read_text()
    known.write_text(before + before.replace(f"{address} ", f"[{address}]:2222 "))
    converged.on("host1", "sh", "-c", f"echo Port 2222 > {configuration}; systemctl restart ssh")
    try:
        converged.play(*STEPS, inventory=inventory)
        for other in (address, "host1"):
            words = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", other)
            assert converged.on("host0", *words, "hostname").strip() == "host1"
        assert set(converged.play(*STEPS, inventory=inventory).changed.values()) == {0}
    finally:
        converged.on("host1", "sh", "-c", f"rm {configuration}; systemctl restart ssh")
        known.write_text(before)
        converged.play(*STEPS)


def test_the_key_opens_nothing_from_elsewhere(converged: LabHosts) -> None:
    """Stolen from a host, it is of no use outside the lab."""
    keys = converged.seen("host1").file("/root/.ssh/authorized_keys")
    (line,) = [line for line in keys.content_string.splitlines() if "mrunkit-lab" in line]
    assert line.startswith('from="')
    networks = line.removeprefix('from="').partition('"')[0].split(",")
    assert _addresses(networks) == set(converged.addresses.values())


def test_what_was_there_stays(start_hosts, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A user's key, known hosts and configuration, through converge and teardown, bare hosts."""
    hosts: LabHosts = start_hosts(2, is_ready=False)
    files = {
        "/root/.ssh/id_ed25519": "my own key",
        "/root/.ssh/config": "Host elsewhere\n    User me",
        "/etc/ssh/ssh_known_hosts": "elsewhere ssh-ed25519 AAAA",
    }
    for path, text in files.items():
        hosts.on("host1", "sh", "-c", f"printf '%s\\n' '{text}' > {path}")
    for address in ("127.0.1.1", "127.0.0.1", "::1"):
        line = f"{address} host1.lan host1"
        hosts.on("host1", "sh", "-c", f"echo '{line}' >> /etc/hosts")
    watched = ("cat", *files, "/etc/hosts", "/root/.ssh/authorized_keys")
    before = hosts.on("host1", *watched)

    seen = hosts.play(*STEPS, "--check")
    assert min(seen.changed.values()) > 0
    assert hosts.on("host1", *watched) == before

    hosts.play(*STEPS)
    seen = hosts.seen("host1")
    assert seen.file("/root/.ssh/config").contains("elsewhere")
    assert seen.file("/root/.ssh/id_ed25519").content_string.strip() == "my own key"
    assert not seen.file("/etc/hosts").contains("^127.0.1.1")
    found = hosts.on("host1", "getent", "ahosts", "host1").splitlines()
    assert {line.split()[0] for line in found} == {hosts.addresses["host1"]}
    assert seen.file("/etc/hosts").contains("^127.0.0.1.*localhost")

    hosts.play("teardown.yml", "--tags", "base,ssh")
    assert hosts.on("host1", *watched) == before
    assert not (hosts.directory / ".mrunkit" / "id_mrunkit_lab").exists()


def test_names_outlast_what_cloud_init_writes_at_boot(start_hosts) -> None:  # type: ignore[no-untyped-def]
    """Its template has them too, ahead of its own lines, and is as it was after teardown."""
    hosts: LabHosts = start_hosts(2, is_ready=False)
    path = "/etc/cloud/templates/hosts.debian.tmpl"
    make = f"mkdir -p {Path(path).parent} && printf '%s' '{HOSTS_TEMPLATE}' > {path}"
    hosts.on("host1", "sh", "-c", make)
    hosts.play("validate.yml", "base.yml")
    written = hosts.on("host1", "cat", path)
    played = hosts.play("validate.yml", "base.yml")
    hosts.play("teardown.yml", "--tags", "base")
    kind, _, template = written.partition("\n")
    rendered = Template(template, trim_blocks=True).render(hostname="host1", fqdn="host1.lan")

    assert kind == "## template:jinja"
    names = [line.split() for line in rendered.splitlines() if not line.startswith("#")]
    assert {words[1]: words[0] for words in names} == {
        **hosts.addresses,
        "localhost": "127.0.0.1",
    }
    assert set(played.changed.values()) == {0}
    assert hosts.on("host1", "cat", path) == HOSTS_TEMPLATE


def test_a_firewall_is_opened_to_the_lab_and_to_nobody_else(converged: LabHosts) -> None:
    """It stays on: what is not from the lab's hosts is turned away as before."""
    converged.on("host1", "sh", "-c", CLOSED)
    try:
        converged.play("validate.yml", "base.yml")
        assert set(converged.play("validate.yml", "base.yml").changed.values()) == {0}
        assert connects(converged, "host0", "host1", 7777)
        assert converged.seen("host1").service("mrunkit-firewall").is_enabled
        assert "-P INPUT DROP" in converged.on("host1", "iptables", "-S", "INPUT")
        accepted = converged.on("host1", "iptables", "-S", "MRUNKIT").splitlines()
        # Containers of jobs reach their own host by this bridge.
        assert "-A MRUNKIT -i docker_gwbridge -p tcp -j ACCEPT" in accepted
        esp = [re.search(r"-s (\S+) -p esp -j ACCEPT", rule) for rule in accepted]
        assert _addresses(found[1] for found in esp if found) == {*converged.addresses.values()}
        assert all("-s " in rule or "-i " in rule for rule in accepted if rule.startswith("-A"))
    finally:
        converged.on("host1", "systemctl", "disable", "--now", "mrunkit-firewall", check=False)
        converged.on("host1", "sh", "-c", OPENED)


def test_a_firewall_of_nftables_is_opened_as_well(converged: LabHosts) -> None:
    """By rules in its own chain, which are the lab's by their comment; once each."""
    chain = ("nft", "list", "chain", "inet", "filter", "input")
    converged.on("host1", "sh", "-ec", CLOSED_WITH_NFTABLES)
    try:
        before = converged.on("host1", *chain)
        converged.play("validate.yml", "base.yml")
        assert set(converged.play("validate.yml", "base.yml").changed.values()) == {0}
        assert connects(converged, "host0", "host1", 7777)
        converged.on("host1", "systemctl", "restart", "mrunkit-firewall")
        rules = [line for line in converged.on("host1", *chain).splitlines() if "mrunkit" in line]
        hosts, bridge = sorted(rules, key=lambda rule: "docker_gwbridge" in rule)
        let_in = re.search(r"ip saddr { (.*?) } ip protocol { (.*?) } accept", hosts)
        assert let_in is not None, hosts
        assert _addresses(let_in[1].split(", ")) == {*converged.addresses.values()}
        assert "esp" in let_in[2].split(", ")
        assert "accept" in bridge
        converged.on("host1", "systemctl", "stop", "mrunkit-firewall")
        assert converged.on("host1", *chain) == before
    finally:
        converged.on("host1", "systemctl", "disable", "--now", "mrunkit-firewall", check=False)
        converged.on("host1", "nft", "delete", "table", "inet", "filter")


def test_ufw_is_opened_as_well(converged: LabHosts) -> None:
    """In its own file of rules, which holds after a restart of it, until teardown."""
    converged.on("host1", "sh", "-ec", CLOSED_WITH_UFW)
    rules = "/etc/ufw/before.rules"
    before = converged.on("host1", "cat", rules)
    try:
        assert not connects(converged, "host0", "host1", 7777)
        for _ in range(2):
            played = converged.play("validate.yml", "base.yml")
            assert connects(converged, "host0", "host1", 7777)
            accepted = converged.on("host1", "iptables", "-S", "ufw-before-input").splitlines()
            assert "-A ufw-before-input -i docker_gwbridge -p tcp -j ACCEPT" in accepted
            esp = [re.search(r"-s (\S+) -p esp -j ACCEPT", rule) for rule in accepted]
            assert _addresses(found[1] for found in esp if found) == {*converged.addresses.values()}
            converged.on("host1", "ufw", "reload")
        assert set(played.changed.values()) == {0}
        converged.play("teardown.yml", "--tags", "base")
        assert not connects(converged, "host0", "host1", 7777)
        assert converged.on("host1", "cat", rules) == before
    finally:
        converged.on("host1", "ufw", "--force", "disable")
        converged.play("validate.yml", "base.yml")


def test_firewalld_keeps_what_others_have_in_the_firewall(
    start_hosts,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    """Docker's rules stay when a host comes or goes, and at teardown."""
    hosts: LabHosts = start_hosts(3, is_ready=False)
    hosts.on("host1", "sh", "-c", INSTALL_FIREWALLD)
    inventory = tmp_path / "inventory.ini"
    lines = hosts.inventory.read_text().splitlines(keepends=True)
    inventory.write_text("".join(line for line in lines if not line.startswith("host2 ")))
    steps = ("validate.yml", "base.yml")
    hosts.play(*steps, inventory=inventory, base_time_sync=False)
    assert connects(hosts, "host0", "host1", 7777)
    hosts.on("host1", "iptables", *OF_DOCKER)

    hosts.play(*steps, base_time_sync=False)
    assert connects(hosts, "host2", "host1", 7777)
    hosts.play(*steps, inventory=inventory, base_time_sync=False)
    assert not connects(hosts, "host2", "host1", 7777)
    played = hosts.play(*steps, inventory=inventory, base_time_sync=False)
    assert set(played.changed.values()) == {0}
    hosts.play("teardown.yml", "--tags", "base", inventory=inventory, base_time_sync=False)
    assert not connects(hosts, "host0", "host1", 7777)
    assert "--set-xmark 0xd0c4e3" in hosts.on("host1", "iptables", "-t", "mangle", "-S")
