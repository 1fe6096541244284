"""What counts as left over, and what may still be somebody's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mrunkit.containers.gc import UNOWNED_SECONDS, Belonging, Kind, is_leftover
from mrunkit.process_identity import ProcessIdentity, started_at

ME = ProcessIdentity(hostname="here", pid=os.getpid(), started=started_at(os.getpid()) or 0)
GONE = ProcessIdentity(hostname="here", pid=os.getpid(), started=1)
ELSEWHERE = ProcessIdentity(hostname="there", pid=1, started=1)


def things(client: ProcessIdentity | None) -> Iterator[Belonging]:
    """One of each kind; the container still runs, the files are new."""
    for kind in Kind:
        yield Belonging(kind=kind, name="x", job_id="1", client=client)


def ended_container(client: ProcessIdentity | None) -> Belonging:
    """A container that has ended."""
    return Belonging(kind=Kind.CONTAINER, name="x", job_id="1", client=client, has_ended=True)


def files(age: float, client: ProcessIdentity | None = None) -> Belonging:
    """Staged files."""
    return Belonging(kind=Kind.FILES, name="x", job_id="1", client=client, age=age)


@pytest.mark.parametrize("thing", [*things(GONE), ended_container(GONE)], ids=str)
def test_all_of_a_client_that_has_ended_here_is_left_over(thing: Belonging) -> None:
    """Running containers included: nobody listens to them."""
    assert is_leftover(thing, hostname="here")


@pytest.mark.parametrize(
    "thing", [*things(ME), ended_container(ME), files(10 * UNOWNED_SECONDS, ME)], ids=str
)
def test_nothing_of_a_running_client_is(thing: Belonging) -> None:
    """mpiexec's container may have ended a moment ago; its client will remove it."""
    assert not is_leftover(thing, hostname="here")


@pytest.mark.parametrize(
    "thing", [*things(ELSEWHERE), files(10 * UNOWNED_SECONDS, ELSEWHERE)], ids=str
)
def test_what_belongs_to_a_client_elsewhere_is_not_ours_to_judge(thing: Belonging) -> None:
    """Only the client's own host can tell whether it runs; a container is its agent's."""
    assert not is_leftover(thing, hostname="here")


@pytest.mark.parametrize("client", [None, ME, ELSEWHERE])
@pytest.mark.parametrize(("cluster", "expected"), [(GONE, True), (ME, False)])
def test_without_its_cluster_a_task_is_left_over(
    client: ProcessIdentity | None, cluster: ProcessIdentity, expected: bool
) -> None:
    """Whosever framework it is of, even if that goes on."""
    for kind in (Kind.CONTAINER, Kind.FILES):
        thing = Belonging(kind=kind, name="x", job_id="", client=client, cluster=cluster)
        assert is_leftover(thing, hostname="here") == expected


@pytest.mark.parametrize("client", [ELSEWHERE, None])
def test_an_ended_container_is_left_over_whosever_it_was(client: ProcessIdentity | None) -> None:
    """On agents' hosts all clients are elsewhere, and a crash leaves containers there."""
    assert is_leftover(ended_container(client), hostname="here")


@pytest.mark.parametrize("thing", [*things(None)], ids=str)
def test_what_nobody_signed_is_left_alone_while_it_may_be_in_use(thing: Belonging) -> None:
    """A container that runs, a network, new files: their client may be about to say so."""
    assert not is_leftover(thing, hostname="here")


def test_files_that_nobody_signed_for_long_are_left_over() -> None:
    """A crash of the machine leaves the owner's file empty."""
    ages = (UNOWNED_SECONDS - 1, UNOWNED_SECONDS + 1)
    assert [is_leftover(files(age), hostname="here") for age in ages] == [False, True]
