"""What a host's kernel and its Docker have to have for the lab: what is lacking is told."""

from __future__ import annotations

from typing import Any

import pytest
from sound_lab import FEATURES, SOUND_SETTINGS, plugin, problems, sound_lab


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
        if not problems(seen, **{"docker_max_major": "", **settings}):
            found.add(match)
    assert found == enough


@pytest.mark.parametrize(
    ("system", "version", "expected"),
    [
        ("rocky", "9.4", "dnf install kernel-modules-extra"),
        ("centos", "7", "boot a kernel of the distribution: yum install kernel,"),
        ("ubuntu", "24.04", "apt-get install linux-modules-extra-"),
        ("debian", "12", "boot a kernel of the distribution: apt-get install linux-image-amd64"),
    ],
)
def test_a_missing_module_is_to_be_had_as_its_system_has_it(
    system: str, version: str, expected: str
) -> None:
    """CentOS 7 has neither dnf nor a package of further modules."""
    seen = sound_lab()
    probe = seen["host1"]["probed"]["probe"]
    probe["system"] = {"ID": system, "VERSION_ID": version}
    probe["kernel"]["features"]["esp4"] = "no"
    settings = {**SOUND_SETTINGS, "ansible": "2.16.14"}
    (found,) = plugin.lab_problems(seen, settings)
    assert found["remedy"][: len(expected)] == expected


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


@pytest.mark.parametrize(
    ("system", "settings", "remedy"),
    [
        (("debian", "12"), {}, "remove it, or take the maintained fork"),
        (("debian", "12"), {"docker_max_major": "26"}, None),
        (("debian", "12"), {"docker_max_major": ""}, None),
        (("debian", "13"), {}, "take the maintained fork"),
        (("ubuntu", "24.04"), {}, "remove it, or take"),
        (
            ("ubuntu", "24.04"),
            {"docker_source": "repository"},
            "remove it and leave docker_source out, or take",
        ),
    ],
)
def test_a_docker_that_is_too_new_is_told_before_anything_changes(
    system: tuple[str, str], settings: dict[str, Any], remedy: str | None
) -> None:
    """It is left in place; where an older one is to be had, that is a way out."""
    seen = sound_lab()
    probe = seen["host1"]["probed"]["probe"]
    names = ("ID", "VERSION_ID")
    probe.update(system=dict(zip(names, system, strict=True)), docker="26.1.5+dfsg1")
    found = plugin.lab_problems(seen, {**SOUND_SETTINGS, **settings})
    told = [(item["check"], item["host"], item["remedy"][: len(remedy or "")]) for item in found]
    assert told == ([("docker", "host1", remedy)] if remedy else [])


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
