"""A lab's life over a backend that is told when to fail: `up` leaves a whole lab or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from labs import host, lab, request
from this_machine import needs_ssh

from mrunkit.errors import MrunkitError, UsageError
from mrunkit.lab import life
from mrunkit.lab.directory import Labs
from mrunkit.lab.readiness import HostFailedError, Readiness
from mrunkit.lab.record import HostRecord, HostState, LabRecord
from mrunkit.lab.request import Backend, LabError, LabRequest, Suite, recipe
from mrunkit.lab.seed import HostKeys
from mrunkit.lab.tree import Progress

pytestmark = needs_ssh

STEPS = ("place", "create", "start", "wait")


@dataclass
class FakeHosts:
    """A backend whose hosts are names in a set; raises `failure` in the step `fails_in`."""

    ready_seconds: float = 1.0
    fails_in: str = ""
    failure: BaseException = field(default_factory=lambda: LabError("no more room"))
    made: dict[str, HostState] = field(default_factory=dict)
    prepared: int = 0

    def prepare(self, request: LabRequest, *, created: float, progress: Progress) -> LabRecord:
        """Make nothing."""
        del progress
        self.prepared += 1
        return lab(0, name=request.name, created=created, is_complete=False)

    def place(self, lab: LabRecord, count: int) -> LabRecord:
        """Take something that has to be given back."""
        self.made["network"] = HostState.RUNNING
        self._reach("place")
        return replace(lab, hosts=tuple(host(number) for number in range(count)))

    def create(self, lab: LabRecord, keys: dict[str, HostKeys]) -> None:
        """Make hosts that have keys of their own."""
        assert len({of_host.private for of_host in keys.values()}) == len(lab.hosts)
        self._reach("create")
        self.made |= dict.fromkeys((made.name for made in lab.hosts), HostState.STOPPED)

    def start(self, lab: LabRecord) -> LabRecord:
        """Start them."""
        self._reach("start")
        self.made |= dict.fromkeys((made.name for made in lab.hosts), HostState.RUNNING)
        return lab

    def states(self, lab: LabRecord) -> dict[str, HostState]:
        """As they are."""
        return {made.name: self.made.get(made.name, HostState.MISSING) for made in lab.hosts}

    def last_words(self, lab: LabRecord, host: str) -> str:
        """What a kernel says last."""
        return f"{host}: Kernel panic"

    def remove(self, lab: LabRecord) -> None:
        """Give all back."""
        del lab
        self.made.clear()

    def wait(
        self,
        hosts: Sequence[HostRecord],
        ssh_config: Path,
        states: Callable[[], dict[str, HostState]],
        *,
        seconds: float,
        progress: Progress,
    ) -> list[Readiness]:
        """All are ready at once; implements life.Wait."""
        del states, seconds, progress
        assert "Host host0" in ssh_config.read_text()
        self._reach("wait")
        return [Readiness(host=made.name, failed_units=()) for made in hosts]

    def _reach(self, step: str) -> None:
        if step == self.fails_in:
            raise self.failure


class Quiet:
    """Shows nothing."""

    def show(self, name: str, text: str, done: int = 0, total: int = 0) -> None:
        """Show nothing."""


def up(backend: FakeHosts, labs: Labs, **fields: Any) -> life.Up:
    """Bring a lab up over a backend."""
    asked = request(**fields)
    return life.up(asked, labs, lambda _: backend, progress=Quiet(), wait=backend.wait)


@pytest.fixture
def labs(tmp_path: Path) -> Labs:
    """No labs yet."""
    return Labs(tmp_path / "labs")


def names(labs: Labs) -> list[str]:
    """The labs that are written down."""
    return [directory.name for directory, _ in labs.all()]


def test_a_lab_that_is_up_is_written_down_whole(labs: Labs) -> None:
    """With an inventory, a key and the keys of its hosts."""
    done = up(FakeHosts(), labs)
    assert (done.was_up, done.lab.is_complete, len(done.lab.hosts)) == (False, True, 2)
    assert labs.find("trial")[1] == done.lab
    known = (done.directory.path / "known_hosts").read_text().splitlines()
    assert [line.split()[:2] for line in known] == [
        ["10.88.0.10", "ssh-ed25519"],
        ["10.88.0.11", "ssh-ed25519"],
    ]


@pytest.mark.parametrize(
    "failure", [LabError("no more room"), KeyboardInterrupt(), SystemExit(143)]
)
@pytest.mark.parametrize("step", STEPS)
def test_whatever_ends_up_leaves_nothing(
    labs: Labs, step: str, failure: BaseException, tmp_path: Path
) -> None:
    """An error, Ctrl-C and SIGTERM, at any step."""
    backend = FakeHosts(fails_in=step, failure=failure)
    with pytest.raises(type(failure)):
        up(backend, labs)
    assert (backend.made, list((tmp_path / "labs").iterdir())) == ({}, [])


def test_a_host_that_does_not_start_shows_its_console(labs: Labs) -> None:
    """Which goes with the lab, so it has to be told now."""
    failure = HostFailedError("host1 was not ready in 5 s", host="host1")
    with pytest.raises(HostFailedError, match=r"not ready in 5 s(.|\n)*host1: Kernel panic"):
        up(FakeHosts(fails_in="wait", failure=failure), labs)


def test_a_second_up_finds_the_lab_up(labs: Labs) -> None:
    """And makes nothing, whatever number of hosts it has if none is asked for."""
    backend = FakeHosts()
    first = up(backend, labs)
    second = up(backend, labs, hosts=None)
    assert (second.was_up, second.lab, backend.prepared) == (True, first.lab, 1)


def test_up_starts_a_lab_that_was_stopped(labs: Labs) -> None:
    """As by a reboot of this machine; what is in it stays."""
    backend = FakeHosts()
    first = up(backend, labs)
    backend.made["host1"] = HostState.STOPPED
    second = up(backend, labs)
    assert (second.was_up, second.lab, backend.prepared) == (False, first.lab, 1)
    assert backend.made["host1"] is HostState.RUNNING


def test_a_lab_that_cannot_be_started_again_stays(labs: Labs) -> None:
    """It may hold work; only `down` removes it."""
    backend = FakeHosts()
    up(backend, labs)
    backend.made["host1"] = HostState.STOPPED
    backend.fails_in = "start"
    with pytest.raises(LabError, match="no more room"):
        up(backend, labs)
    assert (names(labs), "host0" in backend.made) == (["trial"], True)


def test_up_removes_what_a_killed_one_left_and_begins_anew(labs: Labs) -> None:
    """Its record was written before anything was made."""
    backend = FakeHosts(made={"network": HostState.RUNNING})
    with labs.locked("trial") as directory:
        directory.write(lab(0, is_complete=False))
    done = up(backend, labs)
    assert (done.was_up, sorted(backend.made)) == (False, ["host0", "host1", "network"])


def test_a_lab_of_another_size_is_not_taken_for_what_is_asked(labs: Labs) -> None:
    """It would not be what the next command expects."""
    backend = FakeHosts()
    up(backend, labs)
    with pytest.raises(UsageError, match="there already, with 2 hosts of backend docker"):
        up(backend, labs, hosts=4)


def test_a_lab_without_the_packages_that_are_asked_for_says_so(labs: Labs) -> None:
    """It would be bootstrapped much more slowly than --ready promises; less is no trouble."""
    plain = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False)
    with_vim = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=("vim",))
    backend = FakeHosts()
    up(backend, labs)
    with pytest.raises(UsageError, match="there already, without vim"):
        up(backend, labs, recipe=with_vim)
    assert up(backend, labs, recipe=plain).was_up


def test_a_lab_of_another_release_is_not_taken_for_what_is_asked(labs: Labs) -> None:
    """The release that is the default is asked for only by name."""
    backend = FakeHosts()
    up(backend, labs)
    with pytest.raises(UsageError, match="there already, of suite bookworm"):
        up(backend, labs, suite=Suite.TRIXIE)
    assert up(backend, labs, suite=Suite.BOOKWORM).was_up


def test_a_lab_that_lost_a_host_says_so(labs: Labs) -> None:
    """Somebody removed a container by hand."""
    backend = FakeHosts()
    up(backend, labs)
    del backend.made["host0"]
    with pytest.raises(UsageError, match="host0 was removed by somebody else"):
        up(backend, labs)


def test_down_removes_all(labs: Labs, tmp_path: Path) -> None:
    """Hosts and files; other labs stay."""
    backend, other = FakeHosts(), FakeHosts()
    up(backend, labs)
    up(other, labs, name="other")
    life.down("trial", labs, lambda _: backend)
    assert (backend.made, names(labs)) == ({}, ["other"])
    assert [path.name for path in (tmp_path / "labs").iterdir()] == ["other"]


def test_down_of_no_lab_names_those_there_are(labs: Labs) -> None:
    """And does not make a directory for it."""
    up(FakeHosts(), labs)
    with pytest.raises(UsageError, match="no lab nope") as raised:
        life.down("nope", labs, lambda _: FakeHosts())
    assert (raised.value.remedy, names(labs)) == ("there are: trial", ["trial"])


def test_two_mrunkits_do_not_change_one_lab_at_once(labs: Labs) -> None:
    """The second is told, and changes nothing: the first one's directory stays, empty as it is."""
    with labs.locked("trial") as directory:
        with pytest.raises(LabError, match="by another mrunkit"):
            up(FakeHosts(), labs)
        assert directory.path.is_dir()


def test_a_backend_that_does_not_answer_makes_states_unknown() -> None:
    """`ls` still lists the lab, and tells why."""

    def refuse(backend: Backend) -> life.HostBackend:
        raise MrunkitError(f"no {backend.value}")

    (seen,) = life.look([lab(1)], refuse)
    assert (seen.states, str(seen.error)) == ({"host0": HostState.UNKNOWN}, "no docker")


@pytest.mark.parametrize(
    ("failure", "asked"), [(MrunkitError("hangs"), 1), (LabError("another engine"), 3)]
)
def test_a_backend_that_hangs_is_waited_for_once(failure: MrunkitError, asked: int) -> None:
    """For all labs; what is the matter with one lab says nothing of the others."""
    connected, looked = [], []

    class Failing(FakeHosts):
        def states(self, lab: LabRecord) -> dict[str, HostState]:
            looked.append(lab.name)
            raise failure

    def connect(backend: Backend) -> life.HostBackend:
        connected.append(backend)
        return Failing()

    seen = life.look([lab(1), lab(1), lab(1)], connect)
    assert [sight.error for sight in seen] == [failure] * 3
    assert (len(connected), len(looked)) == (1, asked)


def test_a_record_that_cannot_be_read_is_an_error_that_names_it(labs: Labs, tmp_path: Path) -> None:
    """No traceback."""
    (tmp_path / "labs" / "trial").mkdir(parents=True)
    (tmp_path / "labs" / "trial" / "lab.json").write_text("{}")
    with pytest.raises(LabError, match=r"cannot read .*lab\.json"):
        labs.find("trial")
