"""What keeps a lab from being set up: each mistake gives its message, and a sound lab none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sound_lab import NAMES, SOUND_SETTINGS, plugin, problems, refused, sound_lab, unreachable


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


def test_an_inventory_says_where_mesos_comes_from() -> None:
    """Or hosts would be changed by all steps before that of Mesos."""
    ((check, host, problem),) = problems(sound_lab(), is_mesos_placed=False)
    assert (check, host) == ("mesos", None)
    assert problem.startswith("does not say where Mesos comes from")


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
        (
            "Failed to connect to the host via ssh: no such identity: /home/me/lab: No such file"
            " or directory\nroot@192.0.2.11: Permission denied (publickey).",
            "reach",
            "no such identity: /home/me/lab: No such file or directory",
            "correct ansible_ssh_private_key_file",
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


@pytest.mark.parametrize("version", ["7", "8"])
def test_an_older_ansible_is_named_with_the_python_that_it_takes(version: str) -> None:
    """The newest Python that mrunkit runs on is too new for it."""
    seen = sound_lab()
    seen["host2"]["probed"]["probe"]["system"] = {"ID": "centos", "VERSION_ID": version}
    (found,) = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert found["remedy"].endswith("Python 3.11 or 3.12")


def test_hosts_with_a_retired_system_are_known() -> None:
    """CentOS 7, but not its namesakes, nor a host of which nothing is known."""
    seen = {**sound_lab(), "host3": unreachable("no answer")}
    for host, version in (("host1", "7"), ("host2", "9")):
        seen[host]["probed"]["probe"]["system"] = {"ID": "centos", "VERSION_ID": version}
    assert plugin.lab_retired_hosts(seen) == ["host1"]


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


@pytest.mark.parametrize(
    ("host", "hidden", "settings", "expected"),
    [
        ("host1", "files", {}, "files of its own"),
        ("host1", "lustre", {}, "a file system (lustre) of its own"),
        ("host0", "files", {}, None),
        ("host1", "lustre", {"has_nfs": False}, None),
    ],
)
def test_what_the_share_would_hide_is_told(
    host: str, hidden: str, settings: dict[str, Any], expected: str | None
) -> None:
    """Not on the storage host, which shares it, nor where there is a share by other means."""
    seen = sound_lab()
    seen[host]["probed"]["probe"]["hidden_by_share"] = hidden
    told = [] if expected is None else [f"has {expected} at /share, which the share would hide"]
    assert problems(seen, **settings) == [("share", host, text) for text in told]


def test_what_others_have_where_the_lab_would_put_its_own_is_told() -> None:
    """It would be written over; for a unit it is told how it is stopped."""
    seen, unit = sound_lab(), "/etc/systemd/system/mesos-master.service"
    seen["host1"]["probed"]["probe"]["taken"] = ["/opt/mpich", unit]
    told = [
        f"has a {path} that is not mrunkit's, which would be lost" for path in ("/opt/mpich", unit)
    ]
    assert problems(seen) == [("taken", "host1", text) for text in told]
    _, found = plugin.lab_problems(seen, SOUND_SETTINGS)
    assert "systemctl disable --now mesos-master.service" in found["remedy"]


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
    probed = seen["host0"]["probed"]
    probed["answered"] = probed["probe"]["clock"] = 1060.0
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
    ("subnet", "told"),
    [
        ("10.0.9.0/29", "lab_network_subnet 10.0.9.0/29 has 8 addresses, 3 hosts want 15"),
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


@pytest.mark.parametrize(("subnet", "most"), [("10.0.9.0/24", 83), ("10.0.8.0/21", 680)])
def test_a_subnet_has_room_for_two_containers_on_each_host(subnet: str, most: int) -> None:
    """Beside the overlay's own address: of a job and of doctor, or of two jobs."""

    def told(count: int) -> list[dict[str, Any]]:
        groups = {"masters": ["h0"], "agents": [f"h{index}" for index in range(count)]}
        known = {name: f"198.18.{i // 250}.{i % 250}" for i, name in enumerate(groups["agents"])}
        settings = {**SOUND_SETTINGS, "groups": groups, "known_addresses": known}
        return plugin.lab_problems({}, {**settings, "subnet": subnet})

    assert (told(most), len(told(most + 1))) == ([], 1)


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
