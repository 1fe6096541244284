"""A lab's life: up, what it is like, down; over whichever backend.

`up` leaves a whole lab or nothing: whatever ends it, it removes what it made. If it is
killed, the lab's record says that it is incomplete, and `up` or `down` removes the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mrunkit.errors import MrunkitError, UsageError
from mrunkit.lab.console import last_lines, remedy_for
from mrunkit.lab.directory import LabDirectory, Labs
from mrunkit.lab.readiness import HostFailedError, Readiness, wait_until_ready
from mrunkit.lab.record import HostRecord, HostState, LabRecord, differences
from mrunkit.lab.request import DEFAULT_HOSTS, Backend, LabError, LabRequest
from mrunkit.lab.seed import HostKeys
from mrunkit.lab.tree import Progress


class HostBackend(Protocol):
    """A backend: makes, starts and removes the hosts of labs."""

    ready_seconds: float
    """How long hosts may take from their start until they are ready."""

    def prepare(self, request: LabRequest, *, created: float, progress: Progress) -> LabRecord:
        """A lab without hosts yet, of a base that is made if it is not there."""

    def place(self, lab: LabRecord, count: int) -> LabRecord:
        """Give the lab its hosts, with addresses."""

    def create(self, lab: LabRecord, keys: dict[str, HostKeys]) -> None:
        """Make the hosts, which do not run yet."""

    def start(self, lab: LabRecord) -> LabRecord:
        """Start what does not run; the lab as its hosts are reached now."""

    def states(self, lab: LabRecord) -> dict[str, HostState]:
        """What becomes of each host."""

    def last_words(self, lab: LabRecord, host: str) -> str:
        """What a host's console said last."""

    def remove(self, lab: LabRecord) -> None:
        """Remove everything of the lab; what is gone already is as good."""


Connect = Callable[[Backend], HostBackend]


class Wait(Protocol):
    """Waits until hosts are ready; raises HostFailedError, or what `states` raises."""

    def __call__(
        self,
        hosts: Sequence[HostRecord],
        ssh_config: Path,
        states: Callable[[], dict[str, HostState]],
        *,
        seconds: float,
        progress: Progress,
    ) -> list[Readiness]:
        """What became of each host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A lab that is up."""

    lab: LabRecord
    directory: LabDirectory
    was_up: bool
    """All its hosts ran already."""
    incomplete: tuple[Readiness, ...] = ()
    """Hosts of which not everything started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A lab's hosts as they were seen."""

    states: dict[str, HostState]
    error: MrunkitError | None = None
    """Why they are unknown."""


def up(
    request: LabRequest,
    labs: Labs,
    connect: Connect,
    *,
    progress: Progress,
    wait: Wait = wait_until_ready,
) -> Up:
    """Bring a lab up, or find it up."""
    backend = connect(request.backend)
    with labs.locked(request.name) as directory:
        found = directory.read()
        if found is not None and not found.is_complete:
            progress.show(found.name, "removing what a cut-off start left")
            _remove(found, directory, connect(found.backend))
            found = None
        if found is None:
            return _bring_up(request, directory, backend, progress, wait)
        _require_same(found, request)
        return _start_again(found, directory, backend, progress, wait)


def down(name: str, labs: Labs, connect: Connect) -> LabRecord:
    """Take a lab down, with all that it has; raises UsageError if there is none."""
    labs.find(name)
    with labs.locked(name) as directory:
        _, lab = labs.find(name)
        _remove(lab, directory, connect(lab.backend))
    return lab


def look(labs: Sequence[LabRecord], connect: Connect) -> list[Sight]:
    """What becomes of the hosts of each lab, as far as its backend answers.

    A backend is connected to once, and one that does not answer is not asked again: each time it
    might take as long.
    """
    backends: dict[Backend, HostBackend] = {}
    silent: dict[Backend, MrunkitError] = {}

    def states(lab: LabRecord) -> dict[str, HostState]:
        if lab.backend in silent:
            raise silent[lab.backend]
        try:
            if lab.backend not in backends:
                backends[lab.backend] = connect(lab.backend)
            return backends[lab.backend].states(lab)
        except LabError:  # of this lab alone
            raise
        except MrunkitError as error:
            silent[lab.backend] = error
            raise

    def sight(lab: LabRecord) -> Sight:
        try:
            return Sight(states=states(lab))
        except MrunkitError as error:
            return Sight(states={host.name: HostState.UNKNOWN for host in lab.hosts}, error=error)

    return [sight(lab) for lab in labs]


def _bring_up(
    request: LabRequest,
    directory: LabDirectory,
    backend: HostBackend,
    progress: Progress,
    wait: Wait,
) -> Up:
    lab = backend.prepare(request, created=time.time(), progress=progress)
    # From here on there is something to remove, whatever ends this.
    directory.write(lab)
    try:
        lab = backend.place(lab, DEFAULT_HOSTS if request.hosts is None else request.hosts)
        keys = directory.make_keys(lab)
        directory.write(lab)
        progress.show(lab.name, "making hosts")
        backend.create(lab, keys)
        lab, incomplete = _start(lab, directory, backend, progress, wait)
    except BaseException:
        progress.show(lab.name, "removing what was made")
        _remove(lab, directory, backend)
        raise
    lab = replace(lab, is_complete=True)
    directory.write(lab)
    return Up(lab=lab, directory=directory, was_up=False, incomplete=incomplete)


def _start_again(
    lab: LabRecord, directory: LabDirectory, backend: HostBackend, progress: Progress, wait: Wait
) -> Up:
    found = backend.states(lab)
    missing = sorted(name for name, state in found.items() if state is HostState.MISSING)
    if missing:
        raise UsageError(
            f"lab {lab.name} is damaged: {', '.join(missing)} was removed by somebody else",
            remedy=f"take it down, then up: mrunkit lab down --name {lab.name}",
        )
    if set(found.values()) == {HostState.RUNNING}:
        return Up(lab=lab, directory=directory, was_up=True)
    lab, incomplete = _start(lab, directory, backend, progress, wait)
    return Up(lab=lab, directory=directory, was_up=False, incomplete=incomplete)


def _start(
    lab: LabRecord, directory: LabDirectory, backend: HostBackend, progress: Progress, wait: Wait
) -> tuple[LabRecord, tuple[Readiness, ...]]:
    """Start the hosts and wait for them; the lab, and the hosts that are not fully started.

    Raises HostFailedError with what a console said last.
    """
    lab = backend.start(lab)
    directory.write(lab)
    try:
        answering = wait(
            lab.hosts,
            directory.ssh_config,
            lambda: backend.states(lab),
            seconds=backend.ready_seconds,
            progress=progress,
        )
    except HostFailedError as error:
        said = last_lines(backend.last_words(lab, error.host))
        raise HostFailedError(
            f"{error}; its console said last:\n{said or 'nothing'}",
            host=error.host,
            remedy=remedy_for(said),
        ) from error
    return lab, tuple(host for host in answering if host.failed_units)


def _require_same(lab: LabRecord, request: LabRequest) -> None:
    """See that a lab is, or has, what is asked for; raises UsageError."""
    have = differences(lab, request)
    if not have:
        return
    raise UsageError(
        f"lab {lab.name} is there already, {', '.join(have)}",
        remedy=f"give another --name, or take it down: mrunkit lab down --name {lab.name}",
    )


def _remove(lab: LabRecord, directory: LabDirectory, backend: HostBackend) -> None:
    backend.remove(lab)
    directory.clear()
