"""The texts by which Ansible and ssh know a lab's hosts. Pure.

Hosts are verified by their real keys, which were made with the lab: nothing is trusted on
first use.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from mrunkit.lab.record import HostRecord, LabRecord

GUEST_INTERFACE = "eth1"
"""The card of a guest that joins the lab; the first one leads outside."""


def inventory_text(lab: LabRecord, *, key: Path, known_hosts: Path) -> str:
    """inventory.ini: host0 is the master, the others are agents; a single host is both."""
    first, *others = lab.hosts
    lines = [
        f"# Lab {lab.name}, written by mrunkit lab up.",
        "[masters]",
        _host_line(lab, first),
        "",
        "[agents]",
        *(_host_line(lab, host) for host in others or [first]),
        "",
        "[all:vars]",
        "ansible_python_interpreter=/usr/bin/python3",
        f"ansible_ssh_private_key_file={key}",
        f"ansible_ssh_common_args=-o {shlex.quote(f'UserKnownHostsFile={_quoted(known_hosts)}')}",
    ]
    if lab.guests is not None:
        lines.append(f"lab_interface={GUEST_INTERFACE}")
    else:
        lines += ["# All hosts have /share already: a volume.", "nfs_provides_share=false"]
    return "\n".join(lines) + "\n"


def known_hosts_text(lab: LabRecord, public_keys: dict[str, str]) -> str:
    """known_hosts: the public key of each host, by name of the host."""
    return "".join(f"{_known_as(host)} {public_keys[host.name]}\n" for host in lab.hosts)


def ssh_config_text(lab: LabRecord, *, key: Path, known_hosts: Path) -> str:
    """A configuration with which `ssh -F FILE HOST` works, and scp and rsync."""
    common = [
        "Host *",
        f"  IdentityFile {_quoted(key)}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {_quoted(known_hosts)}",
        "  StrictHostKeyChecking yes",
        "  LogLevel ERROR",
    ]
    hosts = [
        f"Host {host.name}\n"
        f"  HostName {host.ssh_address}\n"
        f"  Port {host.ssh_port}\n"
        f"  User {host.user}"
        for host in lab.hosts
    ]
    return "\n".join([*hosts, *common]) + "\n"


def _host_line(lab: LabRecord, host: HostRecord) -> str:
    words = [host.name, f"ansible_host={host.ssh_address}", f"ansible_user={host.user}"]
    if host.ssh_port != 22:
        words.append(f"ansible_port={host.ssh_port}")
    if lab.guests is not None:
        words.append(f"lab_address={host.address}")
    return " ".join(words)


def _known_as(host: HostRecord) -> str:
    port = host.ssh_port
    return host.ssh_address if port == 22 else f"[{host.ssh_address}]:{port}"


def _quoted(path: Path) -> str:
    """A path as ssh's configuration takes it: %, its own sign, doubled; blanks quoted."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if any(blank in text for blank in " \t") else text
