"""mpiexec's command line and environment."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.errors import UsageError
from mrunkit.hydra.arguments import (
    HostsError,
    hidden_variables,
    mpiexec_arguments,
    mpiexec_environment,
)
from mrunkit.scheduler.job import Distribution


def arguments_for(program: list[str]) -> list[str]:
    return mpiexec_arguments(
        hosts=["a"],
        ranks_per_host=[1],
        distribution=Distribution.CYCLIC,
        localhost="127.0.0.1",
        env={},
        program=program,
    )


def hosts_of(ranks_per_host: list[int], distribution: Distribution) -> str:
    arguments = mpiexec_arguments(
        hosts=["a", "b", "c", "d"][: len(ranks_per_host)],
        ranks_per_host=ranks_per_host,
        distribution=distribution,
        localhost="127.0.0.1",
        env={},
        program=["true"],
    )
    return arguments[arguments.index("-hosts") + 1]


def test_the_whole_command_line() -> None:
    """Nothing of the client's environment and directory gets to the ranks unasked."""
    arguments = mpiexec_arguments(
        hosts=["10.0.0.1", "10.0.0.2"],
        ranks_per_host=[2, 1],
        distribution=Distribution.CYCLIC,
        localhost="10.0.0.9",
        env={"A": "1", "PATH": "/opt", "B": "", "C": "2"},
        program=["./hello", "-n", ""],
    )

    expected = (
        "-launcher manual -rmk user -localhost 10.0.0.9 -hosts 10.0.0.1,10.0.0.2 -n 3"
        " -envlist A,C -genv PATH /opt -genv B '' -wdir /proc/self/cwd ./hello -n ''"
    )
    assert arguments == shlex.split(expected)


def test_without_variables_none_are_passed() -> None:
    """Hydra's own default is all."""
    assert "-envnone" in arguments_for(["true"])


def test_values_are_hidden_but_for_what_means_something_to_mpiexec() -> None:
    """Its environment is not in the list of processes, and should not change what it does."""
    of_the_job = {"TOKEN": "a", "UCX_TLS": "tcp", "FI_PROVIDER": "tcp", "count": "1", "LDX": "1"}
    others = ("PATH", "LD_PRELOAD", "HYDRA_DEBUG", "SLURM_JOB_ID", "IFS")
    of_mpiexec = {**dict.fromkeys(others, "x"), "EMPTY": ""}
    assert hidden_variables({**of_mpiexec, **of_the_job}) == of_the_job


def test_ranks_in_turn_need_no_counts() -> None:
    """Hydra deals them out itself, the first hosts first."""
    assert hosts_of([3, 3, 2, 2], Distribution.CYCLIC) == "a,b,c,d"


def test_blocks_of_ranks_are_counted() -> None:
    """Neighbours stay together."""
    assert hosts_of([3, 3, 2, 2], Distribution.BLOCK) == "a:3,b:3,c:2,d:2"


@pytest.mark.parametrize("ranks", [[2, 2, 3], [3, 1], [0, 1], []])
def test_ranks_that_hydra_would_place_otherwise_are_refused(ranks: list[int]) -> None:
    """A wrong launch line is not found out by a task that waits for ever."""
    with pytest.raises(ValueError, match=r"ranks"):
        hosts_of(ranks, Distribution.CYCLIC)


@pytest.mark.parametrize("hosts", [["a", "a"], ["a", "b", "a_2"], ["a", "a", "a_2"]])
def test_hosts_with_one_address_get_names_of_their_own(hosts: list[str]) -> None:
    """Hydra would merge neighbours; ranks must then not take the names for addresses."""
    arguments = mpiexec_arguments(
        hosts=hosts,
        ranks_per_host=[1] * len(hosts),
        distribution=Distribution.CYCLIC,
        localhost="127.0.0.1",
        env={},
        program=["true"],
    )
    names = arguments[arguments.index("-hosts") + 1].split(",")
    is_shared = len(set(hosts)) < len(hosts)
    assert len(set(names)) == len(hosts)
    assert ("-disable-hostname-propagation" in arguments) == is_shared
    assert (names != hosts) == is_shared


@pytest.mark.parametrize("hosts", [["a", "fe80::1"], ["a", "b,c"]])
def test_hosts_that_hydra_would_split_are_refused(hosts: list[str]) -> None:
    """As many launch lines come as there are hosts."""
    with pytest.raises(HostsError):
        mpiexec_arguments(
            hosts=hosts,
            ranks_per_host=[1] * len(hosts),
            distribution=Distribution.BLOCK,
            localhost="127.0.0.1",
            env={},
            program=["true"],
        )


@given(program=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_no_argument_begins_a_second_program(program: list[str]) -> None:
    """A colon is the program's own, and no word gets lost or changes."""
    program = ["./program", *program, ":"]

    words = arguments_for(program)

    assert ":" not in words
    assert words[-3:-1] == ["/bin/sh", "-c"]
    assert shlex.split(words[-1]) == ["exec", *program]


@pytest.mark.parametrize("name", ["", ":", "-genv", "--help"])
def test_a_program_that_hydra_takes_for_an_option_is_refused(name: str) -> None:
    """It says how to give it instead."""
    with pytest.raises(UsageError) as refusal:
        arguments_for([name])

    assert refusal.value.remedy == "give its path, as in ./NAME"


@pytest.mark.parametrize("name", ["", "A=B"])
def test_a_variable_that_is_none_is_refused(name: str) -> None:
    """`-genv A=B C` would run C."""
    with pytest.raises(UsageError):
        mpiexec_arguments(
            hosts=["a"],
            ranks_per_host=[1],
            distribution=Distribution.BLOCK,
            localhost="127.0.0.1",
            env={name: "x"},
            program=["true"],
        )


def test_files_per_rank_need_no_labels() -> None:
    """And a percent sign in the directory's name is no pattern."""
    arguments = mpiexec_arguments(
        hosts=["a"],
        ranks_per_host=[1],
        distribution=Distribution.BLOCK,
        localhost="127.0.0.1",
        env={},
        program=["true"],
        label=True,
        output_dir="/data/50%",
    )

    assert "/data/50%%/rank-%r.out" in arguments
    assert "/data/50%%/rank-%r.err" in arguments
    assert "-prepend-pattern" not in arguments


def test_mpiexec_is_not_steered_by_variables() -> None:
    """Those that a batch system or a user's profile sets for another mpiexec."""
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "MPIEXEC_PORT_RANGE": "9000:9100",
        "MPIEXEC_TIMEOUT": "1",
        "HYDRA_HOST_FILE": "/x",
        "SLURM_NODELIST": "n[1-3]",
        "PASSWORD": "x",
    }

    expected = {"PATH": "/bin", "LC_ALL": "C", "MPIEXEC_PORT_RANGE": "9000:9100"}
    assert mpiexec_environment(environ) == expected
