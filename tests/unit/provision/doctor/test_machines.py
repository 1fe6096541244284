"""Machines by themselves and next to each other: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lab_facts import GOOD

from mrunkit.provision.doctor import machines
from mrunkit.provision.doctor.facts import Clock, Disk, Missing, Mpich
from mrunkit.provision.doctor.machines import Reading
from mrunkit.provision.doctor.verdicts import Problem


def whats(problems: Iterable[Problem]) -> list[tuple[str | None, str]]:
    """Host and text of each problem."""
    return [(problem.host, problem.what) for problem in problems]


def reading(ahead: float, doubt: float = 0.01) -> Reading:
    """A clock that is ahead of ours."""
    return Reading(before=1000.0, told=1000.0 + doubt + ahead, after=1000.0 + 2 * doubt)


def test_a_good_lab_has_no_problem() -> None:
    """And each check tells what it saw."""
    facts = {"a": GOOD, "b": GOOD}
    readings = {"a": reading(0.0), "b": reading(0.1)}
    mesos = {"a": "1.11.0", "b": "1.11.0"}
    assert [
        *machines.clock_problems(facts, readings),
        *machines.disk_problems(facts),
        *machines.nofile_problems(facts),
        *machines.version_problems(facts, mesos),
        *machines.image_problems(facts, "mpi:1", "inventory.ini"),
    ] == []
    assert [
        machines.clocks_seen(facts, readings),
        machines.disks_seen(facts),
        machines.nofile_seen(facts),
        machines.versions_seen(facts, mesos),
        machines.image_seen(facts, "mpi:1"),
    ] == [
        "kept by chrony, 100 ms apart (give or take 20)",
        "at least 48.8 GB free (/ of a)",
        "at least 65536 open files",
        "Docker 20.10.24, MPICH 4.0.2, Mesos 1.11.0",
        "mpi:1 is 555555555555",
    ]


def test_clocks_that_are_apart_are_told() -> None:
    """The first and the last of them."""
    readings = {"a": reading(0.0), "b": reading(3.2), "c": reading(-1.0)}
    problems = machines.clock_problems(dict.fromkeys("abc", GOOD), readings)
    assert whats(problems) == [(None, "b is 4.2 s ahead of c")]


def test_a_slow_answer_is_no_wrong_clock() -> None:
    """What is within the time that asking took cannot be told from nothing."""
    readings = {"a": reading(0.0, doubt=0.4), "b": reading(1.0, doubt=0.4)}
    assert list(machines.clock_problems(dict.fromkeys("ab", GOOD), readings)) == []


def test_a_clock_that_nobody_keeps_is_a_problem_although_it_is_right() -> None:
    """It will not stay so."""
    facts = {"a": GOOD, "b": replace(GOOD, clock=Clock(is_kept=False, by="chrony"))}
    problems = machines.clock_problems(facts, {"a": reading(0.0), "b": reading(0.0)})
    assert whats(problems) == [("b", "the clock is not synchronised, says chrony")]


def test_a_full_disk_is_told_by_its_directory() -> None:
    """In absolute terms, or as a part of a large one."""
    small = Disk(directory="/var/lib/docker", size=8_000, free=1_000)
    large = Disk(directory="/", size=1_000_000, free=40_000)
    facts = {"a": replace(GOOD, disks=(small, large))}
    assert whats(machines.disk_problems(facts)) == [
        ("a", "/var/lib/docker has 1.0 GB of 7.8 GB left"),
        ("a", "/ has 39.1 GB of 976.6 GB left"),
    ]


def test_too_few_open_files_are_told() -> None:
    """What a system starts with does not do."""
    facts = {"a": replace(GOOD, open_files=1024)}
    assert whats(machines.nofile_problems(facts)) == [
        ("a", "the lab's user may open 1024 files; 4096 are needed")
    ]


def test_versions_that_differ_are_told_with_who_has_which() -> None:
    """MPICH at another path is another MPICH."""
    elsewhere = Mpich(version="4.0.2", mpiexec="/opt/mpich/bin/mpiexec.hydra")
    facts = {"a": GOOD, "b": GOOD, "c": replace(GOOD, mpich=elsewhere)}
    problems = machines.version_problems(facts, {"a": "1.11.0", "b": "1.10.0"})
    assert whats(problems) == [
        (
            None,
            "MPICH differs: 4.0.2 (/usr/bin/mpiexec.hydra) on a, b, "
            "4.0.2 (/opt/mpich/bin/mpiexec.hydra) on c",
        ),
        (None, "Mesos differs: 1.11.0 on a, 1.10.0 on b"),
    ]


def test_what_is_not_there_is_not_the_same_everywhere() -> None:
    """All hosts without MPICH agree, and yet no job runs."""
    facts = dict.fromkeys("ab", replace(GOOD, mpich=Missing(why="it is not in PATH")))
    assert whats(machines.version_problems(facts, {})) == [
        ("a", "MPICH: it is not in PATH"),
        ("b", "MPICH: it is not in PATH"),
    ]


def test_an_image_is_missing_or_another() -> None:
    """Both are mended by distributing it."""
    facts = {
        "a": GOOD,
        "b": replace(GOOD, image_id="sha256:" + "6" * 64),
        "c": replace(GOOD, image_id=None),
    }
    problems = list(machines.image_problems(facts, "mpi:1", "lab/inventory.ini"))
    assert whats(problems) == [
        ("c", "no image mpi:1"),
        (None, "mpi:1 differs: 555555555555 on a, 666666666666 on b"),
    ]
    assert {problem.remedy for problem in problems} == {
        "mrunkit image distribute lab/inventory.ini mpi:1"
    }
