"""What keeps a lab from being set up: each mistake gives its message, and a sound lab none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook_plugins import load

plugin = load("filter_plugins/lab_problems.py")

NAMES = ("host0", "host1", "host2")
SOUND_SETTINGS = {
    "ansible": "2.19.14",
    "groups": {"all": list(NAMES), "masters": ["host0"], "agents": ["host1", "host2"]},
    "known_addresses": {},
    "user": "mpi",
    "interface": "",
    "share": "/share",
    "has_nfs": True,
    "subnet": "10.0.9.0/24",
    "is_encrypted": True,
    "docker_source": "",
    "docker_version": "",
    "docker_max_major": "25",
    "docker_repository_url": "",
    "docker_is_upgraded": False,
    "needs_cgroups_v1": True,
    "clock_tolerance": 10.0,
    "free_mib": {"/var/lib": 2048, "/usr": 512},
    "skip": [],
}
FEATURES = ("esp4", "nfsd", "nfsv4", "vxlan", "xt_bpf", "xt_u32")


def sound_probe(index: int) -> dict[str, Any]:
    """What lab_probe tells of a host without fault."""
    return {
        "clock": 1000.0 + 0.4 * index,
        "clock_asked": 1000.0,
        "machine_id": f"{index:032x}",
        "hostname": f"host{index}",
        "system": {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian 12"},
        "kernel": {
            "release": "6.1.0-1-amd64",
            "features": dict.fromkeys(FEATURES, "yes"),
            "is_replaced": False,
        },
        "networks": [{"interface": "eth0", "network": "192.0.2.0/24"}],
        "docker": "",
        "has_cgroups_v1": True,
        "account": {"uid": 1000, "gid": 1000, "home": "/home/mpi"},
        "space": {
            "/var/lib": {"device": 1, "free": 10 << 30},
            "/usr": {"device": 1, "free": 10 << 30},
        },
    }


def sound_lab() -> dict[str, dict[str, Any]]:
    """Three hosts without fault, as the play registers them."""
    return {
        name: {
            "reached": {"rc": 0, "stdout": "user mpi\r\npython /usr/bin/python3 Python 3.11.2\r\n"},
            "tried": {"skipped": True},
            "probed": {"probe": sound_probe(index)},
            "answered": 1002.0,
            "address": f"192.0.2.{10 + index}",
        }
        for index, name in enumerate(NAMES)
    }


def problems(seen: dict[str, Any], **settings: Any) -> list[tuple[str, str | None, str]]:
    """Check, host and problem of each; the remedies are prose."""
    found = plugin.lab_problems(seen, {**SOUND_SETTINGS, **settings})
    assert all(item["remedy"] for item in found)
    return [(item["check"], item["host"], item["problem"]) for item in found]


def unreachable(message: str) -> dict[str, Any]:
    """What is registered of a host that does not answer."""
    return {
        "reached": {"unreachable": True, "msg": message},
        "tried": {"skipped": True},
        "probed": {"skipped": True},
        "address": "",
    }


def refused(**result: Any) -> dict[str, Any]:
    """What is registered of a host without root's rights."""
    seen = unreachable("")
    tried = {"rc": 0, "stdout": "python /usr/bin/python3 Python 3.11.2"}
    return {**seen, "reached": {"rc": 1, **result}, "tried": tried}


def test_a_sound_lab_has_no_problem() -> None:
    """Nothing is made up."""
    assert problems(sound_lab()) == []


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"agents": []}, "group [agents] is missing or has no host"),
        ({"masters": [], "managers": ["host0"]}, "group [masters] is missing or has no host"),
        ({"masters": ["host0", "host1"]}, "group [masters] has 2 hosts: host0, host1"),
        ({"managers": ["host0", "host1"]}, "group [managers] has 2 hosts: host0, host1"),
        ({"storage": ["host0", "host1"]}, "group [storage] has 2 hosts: host0, host1"),
    ],
)
def test_groups_that_cannot_work_are_named(groups: dict[str, list[str]], expected: str) -> None:
    """Masters and managers are 1 or 3, storage is one, and there are agents."""
    lab = {**SOUND_SETTINGS["groups"], **groups}  # type: ignore[dict-item]
    assert problems(sound_lab(), groups=lab) == [("groups", None, expected)]


@pytest.mark.parametrize(
    ("message", "check", "told", "remedy"),
    [
        (
            "Task failed: Failed to connect to the host via ssh: ssh: Could not resolve"
            " hostname hots1: Name or service not known",
            "names",
            "ssh: Could not resolve hostname hots1: Name or service not known",
            "correct the name",
        ),
        (
            "Failed to connect to the host via ssh: root@192.0.2.11: Permission denied"
            " (publickey).",
            "reach",
            "root@192.0.2.11: Permission denied (publickey).",
            "ansible_user",
        ),
        ("Host key verification failed.", "reach", "Host key verification failed.", "by hand"),
        (
            "Failed to connect to the host via ssh: ssh: connect to host 192.0.2.11 port 22:"
            " Connection refused",
            "reach",
            "ssh: connect to host 192.0.2.11 port 22: Connection refused",
            "sshd runs",
        ),
        ("No route to host", "reach", "No route to host", "is on"),
        ("Connection timed out", "reach", "Connection timed out", "take it out of the inventory"),
    ],
)
def test_an_unreachable_host_is_told_with_its_likely_cause(
    message: str, check: str, told: str, remedy: str
) -> None:
    """What ssh said stands there, and the remedy fits it."""
    seen = {**sound_lab(), "host1": unreachable(message)}
    found = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert [(item["check"], item["problem"]) for item in found] == [(check, f"unreachable: {told}")]
    assert remedy in found[0]["remedy"]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"rc": 127, "stdout": "/bin/sh: 1: sudo: not found"}, "no sudo"),
        (
            {"stdout": "sudo: a password is required"},
            "sudo refuses: sudo: a password is required",
        ),
        ({"msg": "Missing sudo password"}, "sudo refuses: Missing sudo password"),
    ],
)
def test_a_host_without_sudo_or_its_leave_is_named(result: dict[str, Any], told: str) -> None:
    """Lacking sudo and being refused by it have different remedies; doctor knows no password."""
    seen = {**sound_lab(), "host1": refused(**result)}
    assert problems(seen) == [("sudo", "host1", told)]
    (found,) = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert "ansible_become_password" not in found["remedy"]


def test_a_host_without_sudo_and_python_has_both_told() -> None:
    """One run tells all that is missing."""
    host = refused(stdout="sudo: not found")
    host["tried"]["stdout"] = "user mpi"
    expected = [
        ("sudo", "host1", "no sudo"),
        ("python", "host1", "no python3"),
    ]
    assert problems({**sound_lab(), "host1": host}) == expected


@pytest.mark.parametrize(
    ("ansible", "version", "is_told"),
    [
        ("2.16.14", "2.7", False),
        ("2.16.14", "3.6", False),
        ("2.17.0", "3.6", True),
        ("2.19.14", "3.8", False),
        ("2.20.1", "3.8", True),
        ("2.99.0", "3.9", False),
    ],
)
def test_a_python_too_old_for_this_ansible_is_told(
    ansible: str, version: str, is_told: bool
) -> None:
    """Each ansible-core has an oldest Python on the hosts."""
    seen = sound_lab()
    seen["host1"]["reached"]["stdout"] = f"python /usr/bin/python3 Python {version}.1"
    path = f"/usr/bin/python3 is Python {version}; ansible-core {ansible}"
    told = [problem.startswith(path) for _, _, problem in problems(seen, ansible=ansible)]
    assert told == ([True] if is_told else [])


@pytest.mark.parametrize(
    ("system", "version", "ansible", "expected"),
    [
        ("debian", "13", "2.19.0", None),
        ("ubuntu", "24.04", "2.19.0", None),
        ("ubuntu", "20.04", "2.19.0", "system"),
        ("rocky", "9.4", "2.19.0", None),
        ("rocky", "8.10", "2.16.0", None),
        ("rocky", "8.10", "2.17.0", "python"),
        ("centos", "7", "2.16.0", None),
        ("centos", "7", "2.19.0", "python"),
        ("alpine", "3.20", "2.19.0", "system"),
    ],
)
def test_only_systems_that_the_roles_know_pass(
    system: str, version: str, ansible: str, expected: str | None
) -> None:
    """EL 7 and 8 pass with the ansible-core that their package manager's Python runs."""
    seen = sound_lab()
    seen["host2"]["probed"]["probe"]["system"] = {"ID": system, "VERSION_ID": version}
    found = problems(seen, ansible=ansible, docker_max_major="")
    assert [check for check, _, _ in found] == ([expected] if expected else [])


def test_a_missing_user_and_differing_uids_are_told() -> None:
    """The share tells files apart by uid."""
    seen = sound_lab()
    seen["host0"]["probed"]["probe"]["account"] = None
    seen["host2"]["probed"]["probe"]["account"]["uid"] = 1001
    assert problems(seen) == [
        ("user", "host0", "has no user mpi"),
        ("user", None, "user mpi has different uids: 1000 on host1; 1001 on host2"),
    ]


def test_one_machine_named_twice_is_told_once() -> None:
    """Its address says it; machine-id and name would only say it again."""
    seen = sound_lab()
    seen["host2"]["address"] = seen["host1"]["address"]
    seen["host2"]["probed"] = copy.deepcopy(seen["host1"]["probed"])
    expected = "has the address 192.0.2.11, and so has host2"
    assert problems(seen) == [("duplicate", "host1", expected)]


def test_a_host_with_the_address_of_one_that_is_left_out_is_told() -> None:
    """With --limit, too, each address is one host's."""
    seen = sound_lab()
    del seen["host2"]
    told = problems(seen, known_addresses={"host2": "192.0.2.11"})
    assert told == [("duplicate", "host1", "has the address 192.0.2.11, and so has host2")]


def test_a_host_left_out_without_a_known_address_is_told() -> None:
    """Others could not be told how to reach it."""
    seen = sound_lab()
    del seen["host2"]
    told = "is left out of this run, and no earlier one noted its address"
    assert problems(seen) == [("names", "host2", told)]
    (found,) = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert "take it out of the inventory" in found["remedy"]


def test_copies_of_one_disk_are_told_by_machine_id_and_name() -> None:
    """Two addresses, one identity."""
    seen = sound_lab()
    seen["host2"]["probed"]["probe"].update(machine_id=f"{1:032x}", hostname="host1")
    told = [(check, host) for check, host, _ in problems(seen)]
    assert told == [("machine-id", "host1"), ("names", "host1")]


@pytest.mark.parametrize(
    ("address", "interface", "told"),
    [
        ("", "", "no IPv4 address of its default route"),
        ("", "ib0", "no IPv4 address of its interface ib0"),
        ("storage.lan", "", "lab_address storage.lan is no IPv4 address"),
        ("127.0.1.1", "", "lab_address 127.0.1.1 reaches no other host"),
    ],
)
def test_an_address_that_no_other_host_could_use_is_told(
    address: str, interface: str, told: str
) -> None:
    """Names resolve only once base has told them to all hosts."""
    seen = sound_lab()
    seen["host1"]["address"] = address
    assert problems(seen, interface=interface) == [("names", "host1", told)]


@pytest.mark.parametrize(
    ("clock", "told"),
    [
        (4600.0, "its clock is 3598 s or more ahead of the others'"),
        (-2600.0, "its clock is 3598 s or more behind the others'"),
        (1011.0, None),
    ],
)
def test_clocks_apart_are_told_against_the_middle(clock: float, told: str | None) -> None:
    """The one that is off is named, not those that agree."""
    seen = sound_lab()
    for name in ("host0", "host1"):
        seen[name]["probed"]["probe"]["clock"] = 1000.0
    seen["host2"]["probed"]["probe"]["clock"] = clock
    assert problems(seen) == ([("clock", "host2", told)] if told else [])


def test_an_answer_that_took_long_is_no_wrong_clock() -> None:
    """Question and answer a minute apart tell nothing about a clock in between."""
    seen = sound_lab()
    seen["host0"]["answered"] = seen["host0"]["probed"]["probe"]["clock"] = 1060.0
    assert problems(seen) == []


def test_hosts_that_agree_may_differ_from_this_machine() -> None:
    """It is the lab's clocks that have to agree."""
    seen = sound_lab()
    for host in seen.values():
        host["probed"]["probe"]["clock"] += 86400.0
    assert problems(seen) == []


def test_wants_on_one_file_system_are_added_up() -> None:
    """Two directories on one disk share its space; on two disks they do not."""
    seen = sound_lab()
    space = seen["host1"]["probed"]["probe"]["space"]
    for path in space:
        space[path]["free"] = 2300 << 20
    told = "2300 MiB free for /var/lib and /usr, 2560 MiB wanted"
    assert problems(seen) == [("disk", "host1", told)]
    space["/usr"]["device"] = 2
    assert problems(seen) == []


@pytest.mark.parametrize(
    ("host", "lacking", "settings", "expected"),
    [
        ("host0", {"nfsd"}, {}, ["nfs"]),
        ("host1", {"nfsd"}, {}, []),
        ("host1", {"nfsv4"}, {}, ["nfs"]),
        ("host0", {"nfsv4"}, {}, []),
        ("host0", {"nfsd"}, {"has_nfs": False}, []),
        ("host1", {"vxlan"}, {}, ["vxlan"]),
        ("host1", {"esp4"}, {}, ["encryption"]),
        ("host1", {"esp4", "xt_bpf", "xt_u32"}, {"is_encrypted": False}, []),
        ("host1", {"xt_bpf"}, {}, []),
        ("host1", {"xt_u32"}, {}, []),
        ("host1", {"xt_bpf", "xt_u32"}, {}, ["encryption"]),
        ("host1", {"esp4", "nfsv4"}, {"skip": ["nfs", "encryption"]}, []),
    ],
)
def test_a_kernel_is_asked_for_what_its_host_needs(
    host: str, lacking: set[str], settings: dict[str, Any], expected: list[str]
) -> None:
    """The server exports, the others mount, and one of two matches is enough."""
    seen = sound_lab()
    features = seen[host]["probed"]["probe"]["kernel"]["features"]
    features.update(dict.fromkeys(lacking, "no"))
    assert [check for check, _, _ in problems(seen, **settings)] == expected


@pytest.mark.parametrize(
    ("there", "settings", "enough"),
    [
        ("19.03.15", {}, {"xt_u32"}),
        ("20.10.12-0ubuntu4", {}, {"xt_u32"}),
        ("20.10.24+dfsg1", {}, {"xt_bpf", "xt_u32"}),
        ("23.0.2", {}, {"xt_u32"}),
        ("23.0.3", {}, {"xt_bpf", "xt_u32"}),
        ("25.0.5", {}, {"xt_bpf"}),
        ("29.1.3", {}, {"xt_bpf"}),
        ("", {"docker_version": "5:20.10.12"}, {"xt_u32"}),
        ("", {"docker_version": "20.10"}, {"xt_bpf", "xt_u32"}),
        ("20.10.12", {"docker_version": "25.0"}, {"xt_u32"}),
        ("20.10.12", {"docker_version": "25", "docker_is_upgraded": True}, {"xt_bpf"}),
        ("20.10.12", {"docker_is_upgraded": True}, {"xt_bpf", "xt_u32"}),
    ],
)
def test_a_kernel_is_asked_for_the_match_that_its_docker_takes(
    there: str, settings: dict[str, Any], enough: set[str]
) -> None:
    """The version that is there counts, or the one that is to come."""
    found = set()
    for match in ("xt_bpf", "xt_u32"):
        seen = sound_lab()
        probe = seen["host1"]["probed"]["probe"]
        probe["docker"] = there
        probe["kernel"]["features"].update({"xt_bpf": "no", "xt_u32": "no", match: "yes"})
        if not problems(seen, **settings):
            found.add(match)
    assert found == enough


def test_agents_of_apache_mesos_need_control_groups_of_the_first_version() -> None:
    """Masters do not, nor do agents of the fork, or without containers."""
    seen = sound_lab()
    for host in ("host0", "host1"):
        seen[host]["probed"]["probe"]["has_cgroups_v1"] = False
    found = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert [(item["check"], item["host"]) for item in found] == [("cgroups", "host1")]
    assert problems(seen, needs_cgroups_v1=False) == []


@pytest.mark.parametrize(
    ("system", "settings", "remedy"),
    [
        (("debian", "12"), {}, None),
        (("debian", "13"), {}, "take the maintained fork"),
        (("debian", "13"), {"docker_source": "repository"}, "take the maintained fork"),
        (("debian", "13"), {"docker_max_major": ""}, None),
        (("debian", "13"), {"docker_max_major": "28"}, None),
        (
            ("debian", "13"),
            {"docker_source": "repository", "docker_repository_url": "https://mirror.lan/docker"},
            None,
        ),
        (("debian", "13"), {"docker_repository_url": "https://mirror.lan/docker"}, "take"),
        (("ubuntu", "22.04"), {}, None),
        (("ubuntu", "24.04"), {}, None),
        (("ubuntu", "24.04"), {"docker_source": "repository"}, "leave docker_source out"),
    ],
)
def test_a_system_without_a_docker_for_this_mesos_is_told(
    system: tuple[str, str], settings: dict[str, Any], remedy: str | None
) -> None:
    """Only what is true there is named as a remedy."""
    seen = sound_lab()
    seen["host1"]["probed"]["probe"]["system"] = dict(
        zip(("ID", "VERSION_ID"), system, strict=True)
    )
    found = plugin.lab_problems(seen, {**SOUND_SETTINGS, **settings})
    told = [(item["check"], item["host"], item["remedy"][: len(remedy or "")]) for item in found]
    assert told == ([("docker", "host1", remedy)] if remedy else [])


def test_a_docker_that_is_there_needs_no_source() -> None:
    """Whether it is allowed is for the role to say, which leaves it in place."""
    seen = sound_lab()
    probe = seen["host1"]["probed"]["probe"]
    probe.update(system={"ID": "debian", "VERSION_ID": "13"}, docker="26.1.5+dfsg1")
    assert problems(seen) == []


def test_what_cannot_be_known_of_a_kernel_is_no_problem() -> None:
    """In a container its modules may be out of sight."""
    seen = sound_lab()
    features = dict.fromkeys(FEATURES, "unknown")
    seen["host1"]["probed"]["probe"]["kernel"]["features"] = features
    assert problems(seen) == []


@pytest.mark.parametrize(
    ("kernel", "system", "remedy"),
    [
        ({"is_replaced": True}, "debian", "reboot it"),
        ({}, "rocky", "kernel-modules-extra"),
        ({}, "ubuntu", "linux-modules-extra"),
        ({}, "debian", "linux-image-amd64"),
    ],
)
def test_the_remedy_for_a_kernel_fits_the_system(
    kernel: dict[str, Any], system: str, remedy: str
) -> None:
    """An upgrade that was not rebooted into is a likely cause, and told as such."""
    seen = sound_lab()
    probe = seen["host1"]["probed"]["probe"]
    probe["system"] = {"ID": system, "VERSION_ID": {"rocky": "9", "ubuntu": "22.04"}.get(system)}
    probe["system"]["VERSION_ID"] = probe["system"]["VERSION_ID"] or "12"
    probe["kernel"].update(kernel)
    probe["kernel"]["features"]["esp4"] = "no"
    (found,) = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert remedy in found["remedy"]


@pytest.mark.parametrize(
    ("subnet", "told"),
    [
        ("10.0.9.0/29", "lab_network_subnet 10.0.9.0/29 has 8 addresses, 3 hosts want 10"),
        ("10.0.9.1/24", "lab_network_subnet: 10.0.9.1/24 has host bits set"),
        ("ten", "lab_network_subnet: Expected 4 octets in 'ten'"),
    ],
)
def test_a_subnet_that_cannot_work_is_told(subnet: str, told: str) -> None:
    """Too small, or none at all."""
    assert problems(sound_lab(), subnet=subnet) == [("subnet", None, told)]


def test_a_subnet_that_overlaps_a_hosts_network_is_told() -> None:
    """Which host and which interface stand there."""
    expected = "has the network 192.0.2.0/24 (eth0), which lab_network_subnet 192.0.0.0/16 overlaps"
    told = problems(sound_lab(), subnet="192.0.0.0/16")
    assert told == [("subnet", name, expected) for name in NAMES]


@given(st.integers(min_value=1, max_value=500))
def test_the_prefix_that_the_remedy_names_is_just_large_enough(count: int) -> None:
    """Who follows it is not told again, and takes no more than is needed."""
    groups = {"masters": ["h0"], "agents": [f"h{index}" for index in range(count)]}
    known = {name: f"198.18.{i // 250}.{i % 250}" for i, name in enumerate(groups["agents"])}
    settings = {**SOUND_SETTINGS, "groups": groups, "known_addresses": known}
    (found,) = plugin.lab_problems({}, {**settings, "subnet": "10.0.0.0/31"})
    prefix = found["remedy"].split("/")[1].split()[0]
    assert plugin.lab_problems({}, {**settings, "subnet": f"10.0.0.0/{prefix}"}) == []
    assert plugin.lab_problems({}, {**settings, "subnet": f"10.0.0.0/{int(prefix) + 1}"}) != []


def test_checks_that_are_skipped_say_nothing() -> None:
    """By the names that the text shows."""
    seen = {**sound_lab(), "host1": unreachable("No route to host")}
    assert problems(seen, skip=["reach"], subnet="ten") == [
        ("subnet", None, "lab_network_subnet: Expected 4 octets in 'ten'")
    ]


def test_hosts_with_the_same_problem_are_told_together() -> None:
    """One line for many, with the remedy beneath."""
    found = [
        {"check": "vxlan", "host": f"h{index}", "problem": "is odd", "remedy": "mend it"}
        for index in range(10)
    ]
    inventory = {"check": "groups", "host": None, "problem": "is empty", "remedy": "fill it"}
    assert plugin.lab_problems_text([*found, inventory]).splitlines() == [
        "2 problems found before anything was changed on any host:",
        "",
        "h0, h1, h2, h3, h4, h5, h6, h7 and 2 more: is odd [vxlan]",
        "  Remedy: mend it",
        "",
        "inventory: is empty [groups]",
        "  Remedy: fill it",
    ]
