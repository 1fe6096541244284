"""A lab as its inventory tells it, read by the real ansible-inventory."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from mrunkit.errors import MrunkitError
from mrunkit.inventory import InventoryError
from mrunkit.provision.addresses import keep_addresses, read_addresses
from mrunkit.provision.lab import Lab, read_lab
from mrunkit.provision.packaged import example_inventory, playbooks_directory
from mrunkit.provision.role_defaults import DEFAULTS

INVENTORY = """\
[masters]
host0 ansible_host=192.0.2.10 lab_address=10.1.0.10

[agents]
host[1:4]
"""


def lab(tmp_path: Path, text: str = INVENTORY, *extra_vars: str) -> Lab:
    """The lab of an inventory with this text."""
    path = tmp_path / "inventory.ini"
    path.write_text(text)
    return read_lab(path, extra_vars=extra_vars)


def problems(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with an inventory, without its name, which is before each line."""
    with pytest.raises(InventoryError) as raised:
        lab(tmp_path, text)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{tmp_path}/inventory.ini: ") for line in lines)
    return [line.removeprefix(f"{tmp_path}/inventory.ini: ") for line in lines]


def test_what_the_inventory_leaves_out_is_as_the_role_says(tmp_path: Path) -> None:
    """The first master is the NFS server and the swarm's manager; settings are the defaults."""
    read = lab(tmp_path)
    assert [host.name for host in read.hosts] == ["host0", "host1", "host2", "host3", "host4"]
    assert [host.name for host in read.agents] == ["host1", "host2", "host3", "host4"]
    assert read.managers == read.masters == (read.hosts[0],)
    assert read.storage == read.hosts[0]
    assert read.master == "10.1.0.10:5050"
    settings = read.settings
    assert (settings.share, settings.network) == ("/share", "mpi-network")
    assert settings.subnet == IPv4Network("10.0.9.0/24")
    assert settings.network_is_encrypted is True
    assert settings.user is None
    assert settings.secret_file == tmp_path / ".mrunkit" / "mesos-secret"


def test_what_the_inventory_says_holds(tmp_path: Path) -> None:
    """In any of Ansible's spellings: an INI file has `false` as text, `False` as a truth value."""
    text = """\
[masters]
m[1:3]
[agents]
a
b
[managers]
a
[storage:children]
files
[files]
nas lab_interface=eth1
[all:vars]
lab_share=/srv/mpi/
lab_network_is_encrypted=false
lab_mesos_authentication=False
lab_image=
lab_state_dir={{ inventory_dir }}/state
zookeeper_port=2182
"""
    read = lab(tmp_path, text)
    assert [host.name for host in read.hosts] == ["m1", "m2", "m3", "a", "nas", "b"]
    assert ([host.name for host in read.managers], read.storage.name) == (["a"], "nas")
    assert read.master == "zk://m1:2182,m2:2182,m3:2182/mesos"
    settings = read.settings
    assert (settings.share, settings.image, settings.principal) == ("/srv/mpi", None, None)
    assert settings.network_is_encrypted is False
    assert settings.state_dir == tmp_path / "state"


def test_extra_variables_win(tmp_path: Path) -> None:
    """As they do in Ansible."""
    assert lab(tmp_path, INVENTORY, "lab_share=/data lab_image=").settings.share == "/data"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """So that nobody runs bootstrap once per mistake."""
    text = """\
stray
[masters]
m1
m2
[slaves]
a ansible_host=192.0.2.1
b ansible_host=192.0.2.1
[storage]
m1
m2
[all:vars]
lab_shar=/srv
lab_share=srv
lab_network_subnet=10.0.9.1/24
lab_master_port=http
lab_network_is_encrypted=maybe
lab_image={{ my_image }}
[slaves:vars]
lab_network=other
"""
    assert sorted(problems(tmp_path, text)) == sorted(
        [
            "group [masters] has 2 hosts: m1, m2: name 1, or 3 of which any two can decide",
            "group [agents] is missing or has no host (other groups there are: slaves): name its "
            "hosts under [agents]; see `mrunkit init` for an example",
            "group [storage] has 2 hosts: m1, m2: name the one that exports the share",
            "stray is in no group: put it into [agents], or into a group of your own",
            "a and b have one address, 192.0.2.1",
            "there is no variable lab_shar; lab_share?",
            "lab_share must be an absolute path, not srv",
            "lab_network_subnet must be like 10.0.9.0/24: 10.0.9.1/24 has host bits set",
            "lab_master_port must be a port number, not http",
            "lab_network_is_encrypted must be true or false, not maybe",
            "lab_image is a template, {{ my_image }}: write its value",
            "lab_network is mpi-network for m1 and other for a: set it once, in [all:vars]",
        ]
    )


@pytest.mark.parametrize(
    "share",
    ["/", "//", "/home", "/home/", "/var", "/etc", "/usr/share", "/share/../etc", "/dev/shm"],
)
def test_the_systems_directories_are_no_share(tmp_path: Path, share: str) -> None:
    """All may write into the share, and clients would see nothing else there."""
    assert problems(tmp_path, f"{INVENTORY}\n[all:vars]\nlab_share={share}\n") == [
        f"lab_share must be a directory of the lab's own, such as /share or /srv/share, not {share}"
    ]


@pytest.mark.parametrize("share", ["/share", "/srv/share/", "/home/mpi", "/mnt/lab", "/data"])
def test_the_share_may_be_beside_the_systems(tmp_path: Path, share: str) -> None:
    """On a disk of its own, most often."""
    assert lab(tmp_path, INVENTORY, f"lab_share={share}").settings.share == share.rstrip("/")


def test_values_that_are_none_are_told(tmp_path: Path) -> None:
    """A vault's is not decrypted for us, and ~ needs somebody's home directory."""
    text = f"""\
{INVENTORY}
[all:vars]
lab_share=['/share']
lab_state_dir=~no-such-user/lab
lab_user={{'__ansible_vault': '$ANSIBLE_VAULT;1.1;AES256'}}
"""
    assert problems(tmp_path, text) == [
        "lab_share must be a plain value, not ['/share']",
        "lab_user must be a plain value, not an encrypted one",
        "lab_state_dir is ~no-such-user/lab, and nobody here has this home directory",
    ]


def test_addresses_that_a_bootstrap_found_are_known_afterwards(tmp_path: Path) -> None:
    """Those in the inventory win; a run with --limit adds to what is known."""
    keep_addresses(tmp_path / ".mrunkit", {"host0": "10.9.9.9", "host1": "10.1.0.11"})
    keep_addresses(tmp_path / ".mrunkit", {"host2": "10.1.0.12"})
    assert [host.lab_address for host in lab(tmp_path).hosts] == [
        *("10.1.0.10", "10.1.0.11", "10.1.0.12", None, None)
    ]
    assert read_addresses(tmp_path / ".mrunkit")["host2"] == "10.1.0.12"


def test_templates_are_for_ansible_to_fill_in(tmp_path: Path) -> None:
    """What it has made of an address is known after a bootstrap; a card is looked for by doctor."""
    text = f"""{INVENTORY}
[agents:vars]
lab_address="{{{{ ansible_host | default('10.1.0.99') }}}}"
lab_interface="{{% if true %}}eth1{{% endif %}}"
[masters:vars]
lab_interface=eth2
"""
    keep_addresses(tmp_path / ".mrunkit", {"host1": "10.1.0.11"})
    hosts = lab(tmp_path, text).hosts[:3]
    assert [host.lab_address for host in hosts] == ["10.1.0.10", "10.1.0.11", None]
    assert [host.interface for host in hosts] == ["eth2", "", ""]


@pytest.mark.parametrize("text", ['{"host0": "10.9.', "[1]", "\xff"])
def test_addresses_that_are_cut_off_are_told(tmp_path: Path, text: str) -> None:
    """A full disk may leave such a file; the next bootstrap writes another."""
    (tmp_path / "addresses.json").write_text(text, encoding="latin-1")
    with pytest.raises(MrunkitError, match=f"{tmp_path}/addresses.json does not hold") as raised:
        read_addresses(tmp_path)
    assert "remove it" in str(raised.value.remedy)


def test_the_example_lab_has_five_hosts() -> None:
    """Five hosts, of which host0 is all but an agent."""
    read = read_lab(example_inventory())
    assert [host.name for host in read.hosts] == ["host0", "host1", "host2", "host3", "host4"]
    assert [host.name for host in read.masters] == ["host0"]
    assert [host.name for host in read.agents] == ["host1", "host2", "host3", "host4"]


def test_one_name_for_two_hosts_is_told(tmp_path: Path) -> None:
    """Ansible alone takes the last, and the other would be missing; a host in two groups is one."""
    text = """\
[masters]
host0 ansible_host=192.0.2.10
[agents]
host0 ansible_host=192.0.2.10  # as above, it's one
host1 ansible_host=192.0.2.11
host1 ansible_host=192.0.2.12
host2 ansible_host=192.0.2.20 ansible_port=2201
host2 ansible_host=192.0.2.20 ansible_port=2202
host3 ansible_ssh_host=192.0.2.30 ansible_ssh_port=2201
host3 ansible_host=192.0.2.30
; host1 ansible_host=192.0.2.13
[rack]
host1
[rack:vars]
ansible_host = 192.0.2.30
"""
    assert problems(tmp_path, text) == [
        "host1 is the name of 192.0.2.11 and of 192.0.2.12: give each host its own",
        "host2 is the name of 192.0.2.20:2201 and of 192.0.2.20:2202: give each host its own",
        "host3 is the name of 192.0.2.30:2201 and of 192.0.2.30: give each host its own",
    ]


def test_a_roles_variable_is_the_inventorys_else_the_roles(tmp_path: Path) -> None:
    """Empty is not set; false is."""
    text = "[masters]\nhost0\n[agents]\nhost1\n[all:vars]\nmpich_prefix=\nnfs_provides_share=no\n"
    host = lab(tmp_path, text).hosts[0]
    assert host.role_variable("mpich_prefix") == "/opt/mpich"
    assert host.role_variable("nfs_provides_share") == "no"
    assert host.role_variable("client_lab") == "/etc/mrunkit"


def test_defaults_of_roles_are_the_roles_own() -> None:
    """What Python knows of them is what Ansible reads."""
    roles = playbooks_directory() / "roles"
    of_roles = {}
    for path in roles.glob("*/defaults/main.yml"):
        of_roles |= yaml.safe_load(path.read_text()) or {}
    assert {name: str(of_roles[name]) for name in DEFAULTS} == DEFAULTS
