"""Which hosts the others have to learn of, and what bootstrap runs for that."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from mrunkit.provision.apply import read_steps
from mrunkit.provision.lab import Lab, read_lab
from mrunkit.provision.newcomers import LEARNING, NewcomerError, known_after, learning_run
from mrunkit.provision.packaged import playbooks_directory
from mrunkit.provision.playbooks import PlaybookRun
from mrunkit.provision.progress import Progress, Status

HOSTS = ("host0", "host1", "host2", "host3")
SITE = playbooks_directory() / "site.yml"
RUN = PlaybookRun(
    playbook=SITE, inventory=Path("inventory.ini"), state_dir=Path("state"), verbosity=1
)
LIMITED = dataclasses.replace(RUN, limit="some")
TEARDOWN = SITE.with_name("teardown.yml")
KNOWN = frozenset({"host0", "host3"})


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A master with an agent of its own, who serves the share as well, and three agents."""
    path = tmp_path / "inventory.ini"
    path.write_text("[masters]\nhost0\n[managers]\nhost1\n[agents]\nhost[0:3]\n")
    return read_lab(path)


def progress(*, steps: Sequence[str] = (), lost: Sequence[str] = ()) -> Progress:
    """A run in which all hosts came through some steps, but for the lost, who came to none."""
    came = [host for host in HOSTS if host not in lost]
    cells = {step: dict.fromkeys(came, Status.OK) for step in steps}
    return Progress(steps=tuple(steps), hosts=HOSTS, cells=cells, lost=frozenset(lost))


def test_the_steps_are_those_of_the_site() -> None:
    """Or a host would wait forever to be known."""
    assert set(LEARNING) < set(read_steps(SITE))


@pytest.mark.parametrize("limited_to", [{"host3"}, {"host0", "host3"}])
def test_known_hosts_are_repeated_alone(lab: Lab, limited_to: set[str]) -> None:
    """Of whom there is nothing to learn, masters among them."""
    assert learning_run(LIMITED, lab, limited_to=limited_to, known=KNOWN) is None


@pytest.mark.parametrize(
    ("limit", "learners"),
    [
        ("agents", None),
        ("agents,!host1", "all,!host1"),
        ("a:!b[1:3]:!host1:&x", "all,!b[1:3],!host1"),
    ],
)
def test_all_learn_of_a_new_host_first(lab: Lab, limit: str, learners: str | None) -> None:
    """But for those that are named to be left out, with all else that was asked for."""
    run = dataclasses.replace(RUN, limit=limit)
    learning = learning_run(run, lab, limited_to={"host2", "host3"}, known=KNOWN)
    assert learning == dataclasses.replace(RUN, limit=learners, tags="base,ssh,nfs,client")


def test_a_new_host_that_serves_others_is_not_added_alone(lab: Lab) -> None:
    """All steps of all hosts depend on who is master, manager of the swarm, or has the share."""
    with pytest.raises(NewcomerError, match="--limit: host1: new, and more than an agent"):
        learning_run(LIMITED, lab, limited_to={"host1", "host2"}, known=KNOWN)


def test_a_lab_that_is_not_made_is_made_whole(lab: Lab) -> None:
    """Half of a lab is of no use, and what it lacks would be told of its hosts one by one."""
    with pytest.raises(NewcomerError, match="for a lab that was made whole once"):
        learning_run(LIMITED, lab, limited_to={"host2"}, known=frozenset())


@pytest.mark.parametrize("lost", [[], ["host3"]])
def test_of_a_whole_lab_all_know_all(lost: list[str]) -> None:
    """Also the one that was lost, and is to be repeated: the others have its name and keys."""
    assert known_after(KNOWN, RUN, progress(steps=LEARNING, lost=lost)) == frozenset(HOSTS)


@pytest.mark.parametrize(
    ("run", "ended"),
    [
        (dataclasses.replace(RUN, is_check=True), progress(steps=LEARNING)),
        (LIMITED, progress(steps=LEARNING)),
        (RUN, progress(steps=LEARNING[:-1])),
        (RUN, progress(steps=LEARNING, lost=HOSTS)),
        (dataclasses.replace(RUN, tags="base,ssh,nfs,client"), progress(steps=LEARNING)),
        (dataclasses.replace(RUN, playbook=TEARDOWN), progress(steps=["validate"], lost=["host3"])),
    ],
    ids=["a check", "some", "an end in between", "none came through", "steps", "a refusal"],
)
def test_other_runs_leave_the_record_as_it_is(run: PlaybookRun, ended: Progress) -> None:
    """Who was known still is."""
    assert known_after(KNOWN, run, ended) == KNOWN


def test_who_is_taken_out_is_new_when_it_comes_back() -> None:
    """It may be another machine by then."""
    removal = dataclasses.replace(LIMITED, playbook=TEARDOWN)
    ended = Progress(steps=(), hosts=("host3",), changed=frozenset({"host3"}))
    assert known_after(KNOWN, removal, ended) == {"host0"}
