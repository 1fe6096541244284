"""What is said of a gang that a cluster cannot hold, and whether the advice is good."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.scheduler.feasibility import Infeasible, find_obstacle
from mrunkit.scheduler.job import Constraint, JobSpec
from mrunkit.scheduler.offers import Agent, Attribute
from mrunkit.scheduler.resources import Demand, Resources


def job(nodes: int, procs: int, **rank: Any) -> JobSpec:
    """A job whose ranks need this much each."""
    return JobSpec(job_id="j", nodes=nodes, procs=procs, rank=Demand(**rank))


def cluster(*available: Resources) -> list[Agent]:
    """One agent each, host0 and so on; every second one is in rack r1."""
    return [
        Agent(
            agent_id=f"S{number}",
            hostname=f"host{number}",
            address=f"10.0.0.{number}",
            attributes=(Attribute(name="rack", values=frozenset({f"r{number % 2}"})),),
            available=resources,
        )
        for number, resources in enumerate(available)
    ]


def of_cpus(*cpus: float) -> list[Agent]:
    """Agents with these cpus and enough of the rest."""
    return cluster(*(Resources(cpus=amount, mem=65536.0) for amount in cpus))


def test_what_fits_meets_no_obstacle() -> None:
    """None means go."""
    assert find_obstacle(job(4, 10, cpus=1.0), of_cpus(3, 2, 3, 2)) is None


def test_too_few_cpus_are_named_with_those_that_there_are() -> None:
    """The sentence that the user reads: what was asked, what there is, what would fit."""
    assert find_obstacle(job(4, 4, cpus=8.0), of_cpus(4, 8, 4, 2, 8)) == Infeasible(
        message="no 4 agents with 8 cpus each: the largest 4 have 8, 8, 4, 4",
        remedy="-c 4 would fit",
    )


def test_uneven_slots_are_named_one_by_one() -> None:
    """3, 3, 2, 2 ranks of 2 cpus are not "8 each"."""
    assert find_obstacle(job(4, 10, cpus=2.0), of_cpus(4, 4, 4, 4)) == Infeasible(
        message="no 4 agents with 6, 6, 4, 4 cpus: the largest 4 have 4, 4, 4, 4",
        remedy="-c 1.3 would fit",
    )


def test_one_agent_is_singular() -> None:
    """Grammar."""
    assert find_obstacle(job(1, 1, cpus=16.0), of_cpus(8)) == Infeasible(
        message="no agent with 16 cpus: the largest has 8", remedy="-c 8 would fit"
    )


def test_too_little_memory_is_named() -> None:
    """Memory binds when cpus do not."""
    obstacle = find_obstacle(
        job(2, 2, cpus=1.0, mem=4096.0),
        cluster(Resources(cpus=8, mem=8192.0), Resources(cpus=8, mem=2048.0)),
    )
    assert obstacle == Infeasible(
        message="no 2 agents with 4096 MB of memory each: the largest 2 have 8192, 2048",
        remedy="-m 2048 would fit",
    )


def test_large_amounts_are_written_out() -> None:
    """A machine with a terabyte has 1048576 MB, not 1.04858e+06."""
    obstacle = find_obstacle(
        job(1, 1, cpus=1.0, mem=2097152.0), cluster(Resources(cpus=8, mem=1048576.0))
    )
    assert obstacle == Infeasible(
        message="no agent with 2097152 MB of memory: the largest has 1048576",
        remedy="-m 1048576 would fit",
    )


def test_no_smaller_share_fits_so_fewer_ranks_are_advised() -> None:
    """Where nothing is left to divide, the number of ranks has to go down."""
    obstacle = find_obstacle(
        job(2, 8, cpus=1.0, ports=2),
        cluster(*[Resources(cpus=8, ports=((31000, 31002),))] * 2),
    )
    assert obstacle == Infeasible(
        message="no 2 agents with 8 ports each: the largest 2 have 3, 3",
        remedy="-N 2 -n 2 would fit",
    )


def test_resources_on_different_agents_are_not_enough() -> None:
    """Each kind is there, but not in one place."""
    obstacle = find_obstacle(
        job(1, 4, cpus=1.0, mem=1024.0),
        cluster(Resources(cpus=8, mem=1024.0), Resources(cpus=2, mem=8192.0)),
    )
    assert obstacle == Infeasible(
        message="no 1 agent with 4 cpus and 4096 MB of memory at the same time",
        remedy="-N 1 -n 2 would fit",
    )


def test_too_few_agents() -> None:
    """Exactly -N different agents, or none."""
    assert find_obstacle(job(4, 4, cpus=1.0), of_cpus(8, 8, 8)) == Infeasible(
        message="-N 4 needs 4 agents, and the cluster has 3", remedy="-N 3 would fit"
    )


def test_too_few_agents_that_are_also_too_small() -> None:
    """The advice counts both."""
    assert find_obstacle(job(4, 8, cpus=1.0), of_cpus(3, 2, 0.5)) == Infeasible(
        message="-N 4 needs 4 agents, and the cluster has 3", remedy="-N 2 -n 5 would fit"
    )


def test_one_of_several_hosts_is_unknown() -> None:
    """A misspelt name is told even if the others are right."""
    spec = replace(job(2, 2, cpus=1.0), hosts=frozenset({"host0", "hots1"}))
    assert find_obstacle(spec, of_cpus(8, 8)) == Infeasible(
        message="-N 2 needs 2 agents, and the cluster has 1 of its 2 (by --hosts): "
        "no agent is called hots1",
        remedy="-N 1 would fit",
    )


def test_agents_that_are_kept_for_gpus() -> None:
    """Told, as the reader sees them in the master's pages; not those that it may not use anyway."""
    *agents, kept, other = of_cpus(8, 8, 8, 8)
    spec = replace(job(3, 3, cpus=1.0), exclude=frozenset({other.hostname}))
    assert find_obstacle(spec, agents, [kept, other]) == Infeasible(
        message="-N 3 needs 3 agents, and the cluster has 2; "
        "its --filter_gpu_resources keeps 1 agent for jobs with --gpus",
        remedy="-N 2 would fit",
    )
    assert find_obstacle(job(2, 2, cpus=1.0), agents, [kept, other]) is None


def test_no_agents_at_all() -> None:
    """A master without agents."""
    assert find_obstacle(job(1, 1, cpus=1.0), []) == Infeasible(
        message="-N 1 needs 1 agent, and the cluster has 0", remedy="start an agent first"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"hosts": frozenset({"host9"})},
            Infeasible(
                message="-N 1 needs 1 agent, and the cluster has 0 of its 2 (by --hosts): "
                "no agent is called host9",
                remedy="the agents are host0, host1",
            ),
        ),
        (
            {"exclude": frozenset({"host0", "10.0.0.1"})},
            Infeasible(
                message="-N 1 needs 1 agent, and the cluster has 0 of its 2 (by --exclude)",
                remedy="the agents are host0, host1",
            ),
        ),
        (
            {"constraints": (Constraint(attribute="rack", value="r7"),)},
            Infeasible(
                message="-N 1 needs 1 agent, and the cluster has 0 of its 2 "
                "(by --constraint rack:r7)",
                remedy="the agents are host0, host1",
            ),
        ),
    ],
)
def test_the_option_that_keeps_agents_away_is_named(
    change: dict[str, Any], expected: Infeasible
) -> None:
    """Who misspells a host or an attribute is told so."""
    spec = replace(job(1, 1, cpus=1.0), **change)
    assert find_obstacle(spec, of_cpus(8, 8)) == expected


def test_many_amounts_are_counted() -> None:
    """500 numbers would not be read."""
    obstacle = find_obstacle(job(20, 20, cpus=8.0), of_cpus(*[4.0] * 15, *[2.0] * 15))
    assert obstacle is not None
    assert obstacle.message == (
        "no 20 agents with 8 cpus each: the largest 20 have 4 (15 times), 2 (5 times)"
    )


amounts = st.builds(
    Resources,
    cpus=st.sampled_from([0.05, 0.1, 0.5, 1.0, 2.5, 4.0, 64.0]),
    mem=st.sampled_from([0.5, 32.0, 1000.5, 4096.0, 1048576.0, 3000001.0]),
    ports=st.sampled_from([(), ((31000, 31003),), ((31000, 31001), (31004, 31015))]),
)


@given(
    available=st.lists(amounts, min_size=1, max_size=6),
    nodes=st.integers(1, 5),
    more=st.integers(0, 12),
    cpus=st.sampled_from([0.1, 0.3, 1.0, 3.0, 100.0]),
    mem=st.sampled_from([0.0, 100.0, 4096.0, 4000000.0]),
    ports=st.integers(0, 3),
)
def test_what_is_advised_fits(
    available: list[Resources], nodes: int, more: int, cpus: float, mem: float, ports: int
) -> None:
    """Whoever follows the advice does not meet another obstacle."""
    spec = job(nodes, nodes + more, cpus=cpus, mem=mem, ports=ports)
    obstacle = find_obstacle(spec, cluster(*available))
    if obstacle is not None and obstacle.remedy is not None:
        assert find_obstacle(_followed(spec, obstacle.remedy), cluster(*available)) is None


def _followed(spec: JobSpec, remedy: str) -> JobSpec:
    """The job with the options of "-N 2 -n 5 would fit"."""
    options = re.fullmatch(r"((?:-\S+ \S+ )+)would fit", remedy)
    assert options is not None
    words = iter(options[1].split())
    fields = {"-c": "cpus", "-m": "mem", "--ports": "ports"}
    for flag, value in zip(words, words, strict=True):
        if flag == "-N":
            spec = replace(spec, nodes=int(value))
        elif flag == "-n":
            spec = replace(spec, procs=int(value))
        else:
            amount: float = int(value) if flag == "--ports" else float(value)
            spec = replace(spec, rank=replace(spec.rank, **{fields[flag]: amount}))
    return spec


def test_the_answer_comes_at_once_on_a_large_cluster() -> None:
    """10,000 agents, of which one has room: a user is not to wait for a remedy."""
    available = [Resources(cpus=64.0, mem=0.5)] * 9999 + [Resources(cpus=64.0, mem=65536.0)]
    start = time.process_time()
    obstacle = find_obstacle(job(500, 2000, cpus=1.0, mem=1024.0), cluster(*available))
    assert obstacle is not None
    assert obstacle.remedy == "-N 1 -n 64 would fit"
    assert time.process_time() - start < 2
