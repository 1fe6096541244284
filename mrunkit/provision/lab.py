"""The lab as its inventory tells it: which host does what, and what all of them share.

Owns the names of the groups. Contacts no host: what only hosts can tell (their addresses,
if the inventory does not say) is what Ansible found when it was last there, or None.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrunkit.inventory import (
    Host,
    InventoryError,
    Listing,
    group_members,
    is_template,
    parse_listing,
    read_listing,
)
from mrunkit.provision.addresses import read_addresses
from mrunkit.provision.groups import GROUPS, group_problems
from mrunkit.provision.host_lines import hosts_named_twice, read_ini
from mrunkit.provision.lab_settings import LabSettings, Variables, parse_settings
from mrunkit.provision.packaged import playbooks_directory
from mrunkit.provision.role_defaults import DEFAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabHost:
    """A host of the lab."""

    name: str
    """In the inventory."""
    ssh: Host
    """How this machine reaches it."""
    lab_address: str | None
    """By which the other hosts reach it; None: not known before a bootstrap."""
    groups: frozenset[str]
    """All groups of the inventory that it is in."""
    variables: Mapping[str, Any] = field(repr=False)
    """As the inventory has them, secrets included."""

    @property
    def address(self) -> str:
        """By which this machine reaches it."""
        return self.ssh.address

    @property
    def interface(self) -> str:
        """The card with that address; empty: the inventory does not say which."""
        return _plain(self.variables, "lab_interface")

    def role_variable(self, name: str) -> str:
        """A variable of a role, as the inventory has it, else as the role does."""
        value = self.variables.get(name)
        return DEFAULTS[name] if value in (None, "") else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """The hosts, masters first, and what holds for all of them."""

    inventory: Path
    hosts: tuple[LabHost, ...]
    masters: tuple[LabHost, ...]
    """One, or three that elect their leader with ZooKeeper."""
    agents: tuple[LabHost, ...]
    managers: tuple[LabHost, ...]
    """Of the swarm; the masters unless the inventory says otherwise."""
    storage: LabHost
    """The NFS server; the first master unless the inventory says otherwise."""
    settings: LabSettings

    @property
    def master(self) -> str:
        """MASTER for `mrunkit run`: host:port, or zk:// for three masters."""
        if len(self.masters) == 1:
            return f"{_reached_at(self.masters[0])}:{self.settings.master_port}"
        ensemble = [
            f"{_reached_at(host)}:{host.role_variable('zookeeper_port')}" for host in self.masters
        ]
        return f"zk://{','.join(ensemble)}/mesos"

    @property
    def client(self) -> str:
        """The command mrunkit, as bootstrap puts it on the first master."""
        return f"{self.masters[0].role_variable('client_bin')}/mrunkit"

    @property
    def client_inventory(self) -> str:
        """The lab's description for that command, on the same host."""
        return f"{self.masters[0].role_variable('client_lab')}/lab.yml"


def _plain(variables: Mapping[str, Any], name: str) -> str:
    """A variable's value; empty where there is none, or a template, which Ansible fills in."""
    value = variables.get(name)
    return "" if value is None or is_template(value) else str(value)


def _reached_at(host: LabHost) -> str:
    return host.lab_address or host.address


def read_lab(inventory: Path, *, extra_vars: Sequence[str] = ()) -> Lab:
    """Read a lab; raises InventoryError with all that is wrong with it.

    `extra_vars` are what Ansible's --extra-vars takes, and win over the inventory.
    """
    listing = read_listing(inventory, extra_vars=extra_vars)
    defaults = read_defaults(playbooks_directory())
    lab = parse_lab(listing, defaults, inventory.absolute(), ini=read_ini(inventory))
    return with_addresses(lab, read_addresses(lab.settings.state_dir))


def read_defaults(playbooks: Path) -> dict[str, Any]:
    """The lab-wide variables, and what they are unless the inventory says otherwise."""
    import yaml

    text = (playbooks / "roles" / "lab" / "defaults" / "main.yml").read_text()
    defaults: dict[str, Any] = yaml.safe_load(text)
    return defaults


def parse_lab(
    listing: Listing, defaults: Mapping[str, Any], inventory: Path, *, ini: str = ""
) -> Lab:
    """Parse what `ansible-inventory --list` prints; raises InventoryError.

    `ini` is the text of an inventory in INI, for what the listing does not tell.
    """
    members = {group: group_members(listing, group) for group in listing if group != "_meta"}
    masters, managers, storage, agents = (members.get(group, []) for group in GROUPS)
    hosts = {host.name: host for host in _hosts(listing, members)}
    variables = Variables({name: host.variables for name, host in hosts.items()}, defaults)
    # Of the file or directory that Ansible has it from.
    inventory_dir = inventory if inventory.is_dir() else inventory.parent
    settings = parse_settings(variables, inventory_dir)
    problems = [
        *(f"{problem}: {remedy}" for problem, remedy in group_problems(members)),
        *hosts_named_twice(ini),
        *_host_problems(hosts.values()),
        *variables.problems,
    ]
    if problems:
        raise InventoryError("\n".join(f"{inventory}: {problem}" for problem in problems))
    order = dict.fromkeys((*masters, *managers, *storage, *agents, *hosts))
    return Lab(
        inventory=inventory,
        hosts=tuple(hosts[name] for name in order),
        masters=tuple(hosts[name] for name in masters),
        agents=tuple(hosts[name] for name in agents),
        managers=tuple(hosts[name] for name in managers or masters),
        storage=hosts[(storage or masters)[0]],
        settings=settings,
    )


def with_addresses(lab: Lab, found: Mapping[str, str]) -> Lab:
    """The lab with its hosts' addresses filled in where the inventory has none."""

    def filled(host: LabHost) -> LabHost:
        address = host.lab_address or found.get(host.name)
        return dataclasses.replace(host, lab_address=address)

    return dataclasses.replace(
        lab,
        hosts=tuple(map(filled, lab.hosts)),
        masters=tuple(map(filled, lab.masters)),
        agents=tuple(map(filled, lab.agents)),
        managers=tuple(map(filled, lab.managers)),
        storage=filled(lab.storage),
    )


def _hosts(listing: Listing, members: Mapping[str, Sequence[str]]) -> Iterator[LabHost]:
    variables = listing["_meta"]["hostvars"]
    for host in parse_listing(listing):
        own = variables.get(host.name, {})
        yield LabHost(
            name=host.name,
            ssh=host,
            lab_address=_plain(own, "lab_address") or None,
            groups=frozenset(group for group, names in members.items() if host.name in names),
            variables=own,
        )


def _host_problems(hosts: Iterable[LabHost]) -> Iterator[str]:
    by_address: dict[tuple[str, int | None], str] = {}
    for host in hosts:
        first = by_address.setdefault((host.address, host.ssh.port), host.name)
        if first != host.name and not host.ssh.is_here:
            yield f"{first} and {host.name} have one address, {host.address}"
