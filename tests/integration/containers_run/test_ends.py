"""However a job in containers ends, nothing of it is left: containers, processes, files.

The fixture `mrunkit` looks for them after each test here.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from leftovers import PATIENCE, descendants

if TYPE_CHECKING:
    from client import Client
    from job_containers import ContainerRuns

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def start(mrunkit: ContainerRuns, *options: str) -> Client:
    """A job that does not end by itself, nor at a SIGTERM."""
    words = ("-N", "2", "local", mrunkit.program("forever"), "ignore-term")
    return mrunkit.start_in(*options, *words)


def test_the_time_limit_ends_the_job(mrunkit: ContainerRuns) -> None:
    """With status 124."""
    ended = start(mrunkit, "--time-limit", "5").wait()
    assert (ended.status, ended.stdout.count("is pid")) == (124, 2), ended
    assert mrunkit.containers() == []
    assert list(mrunkit.tmp.iterdir()) == []


@pytest.mark.parametrize("network", ["host", "overlay"])
def test_ctrl_c_ends_the_job(
    mrunkit: ContainerRuns, network: str, request: pytest.FixtureRequest
) -> None:
    """With status 130; when the command has ended, so has all that it made."""
    name = request.getfixturevalue("overlay") if network == "overlay" else network
    client = start(mrunkit, "--network", name)
    client.until_said("is pid", 2)
    client.signal(signal.SIGINT)
    assert client.wait().status == 130
    assert mrunkit.containers() == []
    assert list(mrunkit.tmp.iterdir()) == []


def test_a_second_ctrl_c_does_not_wait(mrunkit: ContainerRuns) -> None:
    """For ranks that ignore SIGTERM; they are gone nevertheless."""
    client = start(mrunkit)
    client.until_said("is pid", 2)
    client.signal(signal.SIGINT)
    client.until_state("draining")
    client.signal(signal.SIGINT)
    assert client.wait().status == 130
    assert mrunkit.containers() == []


def at_first_word(client: Client) -> None:
    """Nothing is launched yet; files may be staged."""
    client.until_said("job ")


def while_containers_are_made(client: Client) -> None:
    """Tasks are launched, mpiexec's container is being made."""
    client.until_event("LaunchTask")


def while_proxies_call(client: Client) -> None:
    """Some containers run."""
    client.until_event("ProxyConnected")


def while_mpi_starts(client: Client) -> None:
    """mpiexec has its arguments."""
    client.until_event("StartMpi")


def while_ranks_run(client: Client) -> None:
    """All of them."""
    client.until_said("is pid", 2)


MOMENTS = [
    at_first_word,
    while_containers_are_made,
    while_proxies_call,
    while_mpi_starts,
    while_ranks_run,
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_outlives_a_killed_client(
    mrunkit: ContainerRuns, moment: Callable[[Client], None]
) -> None:
    """kill -9, whenever it comes: agents, guard and engine clean up without the client."""
    before = descendants().keys()
    client = start(mrunkit)
    moment(client)
    client.kill()
    mrunkit.until_nothing_is_left(before, PATIENCE)


def test_nothing_outlives_a_client_killed_while_it_cleans_up(mrunkit: ContainerRuns) -> None:
    """kill -9 after Ctrl-C, as by somebody who has no patience."""
    before = descendants().keys()
    client = start(mrunkit)
    client.until_said("is pid", 2)
    client.signal(signal.SIGINT)
    client.until_state("draining")
    client.kill()
    mrunkit.until_nothing_is_left(before, PATIENCE)


def test_what_a_crash_left_is_found_by_gc(mrunkit: ContainerRuns) -> None:
    """Containers whose client, agents and guard are all gone are listed, then removed."""
    client = start(mrunkit)
    client.until_said("is pid", 2)
    names = sorted(it["Name"].lstrip("/") for it in mrunkit.described())
    mpiexec = [it["Name"].lstrip("/") for it in mrunkit.described("mpiexec")]
    job_id = client.job_id

    def listed(*options: str) -> list[str]:
        ended = mrunkit.start("gc", "--json", *options).wait()
        assert ended.status == 0, ended
        return sorted(it["name"] for it in json.loads(ended.stdout) if it["job"] == job_id)

    assert listed("--dry-run") == [], "a job that runs is left alone"
    left_by_crash = sorted(names + mpiexec)
    # A crash of the machine ends all of them at once: nobody is left to clean up.
    for process in descendants(client.pid).values():
        if "mrunkit." in process.command:
            os.kill(process.pid, signal.SIGKILL)
    client.kill()
    found = listed("--dry-run")
    assert [name for name in found if name in left_by_crash] == left_by_crash
    assert listed() == found
    assert mrunkit.containers() == []
    assert list(mrunkit.tmp.iterdir()) == []
