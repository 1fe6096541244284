"""Hosts of an Ansible inventory, as the real ansible-inventory reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mrunkit.inventory import (
    Host,
    InventoryError,
    group_members,
    parse_listed,
    parse_listing,
    read_inventory,
    read_listing,
)

INVENTORY = """\
[master]
head ansible_host=192.0.2.1

[agents]
node[01:03] ansible_user=mpi
head

[agents:vars]
ansible_port=2222
ansible_ssh_private_key_file=~/.ssh/cluster
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory with ranges, groups and variables of a group."""
    path = tmp_path / "inventory.ini"
    path.write_text(INVENTORY)
    return path


def test_ranges_groups_and_variables_mean_what_they_mean_to_ansible(inventory: Path) -> None:
    """A host of two groups is one host; a group's variables are its hosts'."""
    key = str(Path("~/.ssh/cluster").expanduser())
    nodes = [
        Host(name=name, address=name, user="mpi", port=2222, key_file=key)
        for name in ("node01", "node02", "node03")
    ]
    head = Host(name="head", address="192.0.2.1", port=2222, key_file=key)
    assert sorted(read_inventory(inventory), key=str) == sorted([head, *nodes], key=str)


def test_a_limit_is_a_pattern_of_ansibles(inventory: Path) -> None:
    """Groups and their differences included."""
    hosts = read_inventory(inventory, limit="agents:!head:!node02")
    assert [host.name for host in hosts] == ["node01", "node03"]


def test_a_file_that_ansible_cannot_read_is_an_error(tmp_path: Path) -> None:
    """Ansible itself would go on without any host."""
    path = tmp_path / "inventory.ini"
    path.write_text("[agents\n")
    with pytest.raises(InventoryError, match="cannot read inventory"):
        read_inventory(path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.ini", "[all:vars]\nlab_share\n", "a.ini: Expected key=value, got: lab_share"),
        ("a.ini", "[a:children]\nb\n", "includes undefined group 'b'"),
        ("a.ini", "\ufeff[all]\na\n", "a.ini begins with a byte order mark"),
        ("a.yml", "all:\n\thosts:\n", "a.yml: YAML parsing failed: Tabs are .*a.yml:2:1"),
        ("a.yml", "all:\n  hosts: [a]\n", 'a.yml: Invalid "hosts" entry for "all" group'),
    ],
)
def test_what_ansible_cannot_read_is_told_in_a_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    """It says it twice for each of its plugins, most of which are for other files."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InventoryError, match=told) as raised:
        read_inventory(tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "group_vars and host_vars beside it: .*group_vars/all.yml"),
        ("a: :\nb\n", "group_vars and host_vars beside it: YAML parsing failed"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3131\n", "encrypted with ansible-vault"),
    ],
)
def test_variables_that_ansible_cannot_read_are_told(inventory: Path, text: str, told: str) -> None:
    """Ansible does not always name their file."""
    variables = inventory.parent / "group_vars" / "all.yml"
    variables.parent.mkdir()
    variables.write_text(text)
    with pytest.raises(InventoryError, match=told):
        read_inventory(inventory)


def test_an_inventory_without_hosts_is_an_error(tmp_path: Path) -> None:
    """Success would mean that all hosts have the image."""
    path = tmp_path / "inventory.ini"
    path.write_text("[agents]\n")
    with pytest.raises(InventoryError, match="has no host"):
        read_inventory(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """By its name, before Ansible starts."""
    with pytest.raises(InventoryError, match="there is no inventory"):
        read_inventory(tmp_path / "inventory.ini")


def test_an_inventory_that_cannot_be_looked_at_is_told_in_words(tmp_path: Path) -> None:
    """So is a directory that one may not enter; but root, as whom tests may run, enters all."""
    with pytest.raises(InventoryError, match=r"cannot read inventory .*: File name too long"):
        read_inventory(tmp_path / ("a" * 256))


@pytest.mark.parametrize("name", ["ANSIBLE_VERBOSITY", "ANSIBLE_DEBUG"])
def test_a_talkative_ansible_changes_nothing(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It says more than the listing where the listing should be."""
    monkeypatch.setenv(name, "1")
    assert [host.name for host in read_inventory(inventory, limit="master")] == ["head"]


@pytest.mark.parametrize(
    ("said", "told"),
    [("Using /etc/ansible.cfg\n{}\n", '"Using /etc/ansible.cfg"'), ("", "nothing")],
)
def test_what_is_no_listing_is_shown(said: str, told: str) -> None:
    """Its first line."""
    with pytest.raises(
        InventoryError, match=f"a.ini: ansible-inventory prints no JSON, but {told}"
    ):
        parse_listed(Path("a.ini"), said)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ansible_user": "{{ lookup('env', 'USER') }}"}, "ansible_user is a template"),
        ({"ansible_ssh_user": "{{ me }}"}, "ansible_ssh_user is a template"),
        ({"ansible_port": "ssh"}, "a: ssh is no number of a port"),
        ({"ansible_port": 99999}, "a: 99999 is no number of a port"),
        ({"ansible_ssh_args": "-o Port=ssh"}, "a: ssh is no number of a port"),
        ({"ansible_host": ["192.0.2.1"]}, "ansible_host must be a single value"),
        ({"ansible_ssh_private_key_file": "~no-such-user/id"}, "~no-such-user/id: nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused(variables: dict[str, Any], problem: str) -> None:
    """Rather than to log in as somebody called {{ user }}, or at port 34463 for 99999."""
    listing = {"_meta": {"hostvars": {"a": variables}}, "all": {"hosts": ["a"]}}
    with pytest.raises(InventoryError, match=problem):
        parse_listing(listing)


def test_a_local_connection_is_this_machine() -> None:
    """It needs no ssh."""
    listing = {
        "_meta": {"hostvars": {"a": {"ansible_connection": "local"}}},
        "all": {"hosts": ["a"]},
    }
    assert parse_listing(listing) == [Host(name="a", address="a", is_here=True)]


def test_what_is_written_in_yaml_is_text_or_nothing() -> None:
    """A file called 7 is a file; an empty value is one that is not set."""
    host = host_of(ansible_host=None, ansible_port=None, ansible_user=5, ansible_ssh_args=None)
    assert host == Host(name="a", address="a", user="5")
    assert host_of(ansible_ssh_private_key_file=7).key_file == "7"


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({"ansible_ssh_host": "192.0.2.7"}, Host(name="a", address="192.0.2.7")),
        ({"ansible_ssh_user": "me"}, Host(name="a", address="a", user="me")),
        ({"ansible_ssh_port": 2222}, Host(name="a", address="a", port=2222)),
        ({"ansible_private_key_file": "/key"}, Host(name="a", address="a", key_file="/key")),
        (
            {"ansible_host": "192.0.2.8", "ansible_ssh_host": "192.0.2.7"},
            Host(name="a", address="192.0.2.7"),
        ),
        ({"ansible_user": "you", "ansible_ssh_user": "me"}, Host(name="a", address="a", user="me")),
        ({"ansible_user": "you", "ansible_ssh_user": ""}, Host(name="a", address="a", user="you")),
        ({"ansible_port": 22, "ansible_ssh_port": 2222}, Host(name="a", address="a", port=2222)),
        (
            {"ansible_private_key_file": "/other", "ansible_ssh_private_key_file": "/key"},
            Host(name="a", address="a", key_file="/key"),
        ),
    ],
)
def test_older_names_of_variables_mean_what_they_mean_to_ansible(
    variables: dict[str, object], host: Host
) -> None:
    """Where there are both, Ansible takes those that begin with ansible_ssh_ (2.19 was asked)."""
    assert host_of(**variables) == host


def host_of(**variables: object) -> Host:
    """The one host of a listing, with these variables."""
    (host,) = parse_listing({"_meta": {"hostvars": {"a": variables}}, "all": {"hosts": ["a"]}})
    return host


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        (
            {"ansible_ssh_common_args": "-o UserKnownHostsFile=/lab/known -C"},
            Host(name="a", address="a", known_hosts=("/lab/known",)),
        ),
        (
            {"ansible_ssh_common_args": '-o "UserKnownHostsFile /lab/known /lab/more"'},
            Host(name="a", address="a", known_hosts=("/lab/known", "/lab/more")),
        ),
        (
            {"ansible_ssh_common_args": "-o 'UserKnownHostsFile=\"/my lab/50%%\" /lab/more'"},
            Host(name="a", address="a", known_hosts=("/my lab/50%", "/lab/more")),
        ),
        (
            {"ansible_ssh_extra_args": "-F/lab/config -J me@gate:2222,inner"},
            Host(name="a", address="a", config_file="/lab/config", jump="me@gate:2222,inner"),
        ),
        (
            {"ansible_ssh_args": "-o ProxyJump=first", "ansible_ssh_common_args": "-J second"},
            Host(name="a", address="a", jump="first"),
        ),
        (
            {"ansible_ssh_common_args": "-o ProxyCommand='ssh -oPort=2 -W %h:%p gate'"},
            Host(name="a", address="a", proxy_command="ssh -oPort=2 -W %h:%p gate"),
        ),
        (
            {"ansible_ssh_common_args": "-o 'ProxyCommand ssh -oPort=2 -W %h:%p gate'"},
            Host(name="a", address="a", proxy_command="ssh -oPort=2 -W %h:%p gate"),
        ),
        (
            {"ansible_ssh_common_args": "-F none"},
            Host(name="a", address="a", config_file="/dev/null"),
        ),
        (
            {"ansible_ssh_common_args": "-F '/my lab/config'"},
            Host(name="a", address="a", config_file="/my lab/config"),
        ),
        (
            {"ansible_ssh_common_args": "-oStrictHostKeyChecking=no -oProxyJump=none"},
            Host(name="a", address="a"),
        ),
        (
            {"ansible_ssh_common_args": "-i '/my key' -l me -p2222"},
            Host(name="a", address="a", user="me", port=2222, key_file="/my key"),
        ),
        (
            {"ansible_ssh_extra_args": "-o 'IdentityFile=\"/my key\"' -oUser=me -o 'Port 2222'"},
            Host(name="a", address="a", user="me", port=2222, key_file="/my key"),
        ),
        (
            {"ansible_ssh_common_args": "-o IdentityFile=none -i /key"},
            Host(name="a", address="a"),
        ),
        (
            {
                "ansible_ssh_common_args": "-i /other -l you -p 23",
                "ansible_user": "me",
                "ansible_port": "2222",
                "ansible_private_key_file": "/k",
            },
            Host(name="a", address="a", user="me", port=2222, key_file="/k"),
        ),
    ],
)
def test_arguments_of_ssh_mean_what_they_mean_to_ssh(variables: dict[str, str], host: Host) -> None:
    """The first of several wins; but host keys are checked, whatever they say."""
    assert host_of(**variables) == host


def test_arguments_of_ssh_with_an_open_quote_are_an_error() -> None:
    """By the name of the variable."""
    for text in ("-o 'User", """-o 'User="me'"""):
        with pytest.raises(InventoryError, match="ansible_ssh_common_args is not quoted well"):
            host_of(ansible_ssh_common_args=text)
    with pytest.raises(InventoryError, match='a: "/my lab is not quoted well'):
        host_of(ansible_ssh_common_args="""-o 'UserKnownHostsFile="/my lab'""")


def test_files_beside_the_inventory_are_found(tmp_path: Path) -> None:
    """{{ inventory_dir }} is known without a play; files of other tools use it."""
    path = tmp_path / "inventory.ini"
    path.write_text(
        "a ansible_ssh_private_key_file='{{ inventory_dir }}/key' "
        "ansible_ssh_common_args='-o UserKnownHostsFile={{inventory_dir}}/known'\n"
    )
    (host,) = read_inventory(path)
    assert (host.key_file, host.known_hosts) == (f"{tmp_path}/key", (f"{tmp_path}/known",))


def test_members_of_a_group_are_also_those_of_its_children() -> None:
    """Once each."""
    listing = {
        "_meta": {"hostvars": {}},
        "all": {"children": ["ungrouped", "agents"]},
        "agents": {"hosts": ["a"], "children": ["rack1", "rack2"]},
        "rack1": {"hosts": ["b", "a"]},
        "rack2": {"hosts": ["c"]},
    }
    assert group_members(listing, "agents") == ["a", "b", "c"]
    assert group_members(listing, "masters") == []


def test_extra_variables_win(inventory: Path) -> None:
    """As with ansible-playbook."""
    listing = read_listing(inventory, extra_vars=["ansible_port=22", '{"ansible_user": "me"}'])
    assert {(host.port, host.user) for host in parse_listing(listing)} == {(22, "me")}
