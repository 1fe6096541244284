"""A playbook applied to a lab: with a log, and failures that are explained."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from mrunkit.inventory import Host
from mrunkit.provision.addresses import keep_addresses
from mrunkit.provision.explain import Explanation, explain, explain_refusal
from mrunkit.provision.lab import Lab
from mrunkit.provision.newcomers import keep_known, known_after, read_known
from mrunkit.provision.playbooks import PlaybookRun, run_playbook
from mrunkit.provision.progress import Event, Failure, Progress, advance
from mrunkit.provision.state_dir import ProvisionError, locked, make_state_dir, opened
from mrunkit.provision.table import describe_warnings, name_hosts

_TOLD = 10
"""So many different failures are explained; the log has all."""
_REPEATED = 20
"""So many hosts are named to be repeated; a file names more."""


class Watcher(Protocol):
    """Is told what Ansible prints, and how far it is, in another thread."""

    def printed(self, text: str) -> None:
        """Some lines of Ansible's output."""

    def advanced(self, progress: Progress) -> None:
        """An event was handled; it may have changed nothing worth telling."""

    def note(self, text: str) -> None:
        """Something worth knowing that is not Ansible's; told before it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A playbook that has gone through."""

    progress: Progress
    log: Path
    warnings: tuple[str, ...]
    """Of the playbooks, and of the log."""


class Log:
    """What Ansible says, in a file; the lab is worth more than its log."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.problem: str | None = None
        """Why the file ends early."""
        self._file = file

    def write(self, text: str) -> None:
        """Add to it, until it cannot be written: a hole in it would mislead."""
        if self.problem is not None:
            return
        rest = f"{text}\n".replace("\r\n", "\n").encode(errors="backslashreplace")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.problem = error.strerror


def read_steps(playbook: Path) -> tuple[str, ...]:
    """The names of the playbooks that a playbook imports, in order."""
    import yaml

    plays: list[dict[str, str]] = yaml.safe_load(playbook.read_text())
    imported = (play.get("ansible.builtin.import_playbook") for play in plays)
    return tuple(Path(name).stem for name in imported if name is not None)


def read_tags(playbook: Path) -> set[str]:
    """The tags of the plays in the playbooks that a playbook imports."""
    import yaml

    files = (playbook.with_name(f"{step}.yml") for step in read_steps(playbook))
    plays = (play for file in files for play in yaml.safe_load(file.read_text()))
    return {tag for play in plays for tag in play.get("tags", ())}


def apply(
    run: PlaybookRun,
    lab: Lab,
    environ: Mapping[str, str],
    watcher: Watcher,
    *,
    now: datetime,
) -> Applied:
    """Run a playbook on a lab; raises ProvisionError with what failed and what to do.

    And with what the playbook warned of.
    """
    hosts = () if run.limit is not None else tuple(host.name for host in lab.hosts)
    progress = Progress(steps=read_steps(run.playbook), hosts=hosts)
    with locked(run.state_dir) as lock, _log(run, now) as log:
        if lock.killed is not None:
            watcher.note(f"ended what a mrunkit that was killed (process {lock.killed}) had left")

        def handle(event: Event) -> None:
            nonlocal progress
            # First of all: of an OSError of what follows ansible-runner says nothing.
            progress = advance(progress, event)
            if text := event.get("stdout", ""):
                log.write(text)
                watcher.printed(text)
            watcher.advanced(progress)

        try:
            status = run_playbook(run, environ, handle, marker=lock.marker)
        except OSError as error:
            raise ProvisionError(
                f"Ansible cannot be run here: {error.strerror}",
                remedy=f"is there room for its temporary files in {tempfile.gettempdir()}?",
            ) from error
        unkept = _keep(run, progress)
        lines = []
        if status != 0:
            lines += describe_failures(progress, {host.name: host.ssh for host in lab.hosts})
            failed = hosts_to_repeat(progress) if lines and _can_be_limited(run) else []
            is_long = len(failed) > _REPEATED
            lines += describe_rest(failed, name_in_file(failed, run.state_dir) if is_long else None)
            lines = lines or [f"ansible-playbook ended with status {status}"]
    warnings = describe_warnings(progress)
    if lines or unkept:
        told = [f"warning: {warning}" for warning in warnings]
        raise ProvisionError("\n".join(told + lines + unkept), remedy=_describe(log))
    if log.problem is not None:
        warnings.append(f"the log ends early: cannot write {log.path}: {log.problem}")
    return Applied(progress=progress, log=log.path, warnings=tuple(warnings))


def _keep(run: PlaybookRun, progress: Progress) -> list[str]:
    """Keep what was found out, without which there is no lab; lines for why that failed."""
    try:
        keep_addresses(run.state_dir, progress.addresses)
        keep_known(run.state_dir, known_after(read_known(run.state_dir), run, progress))
    except OSError as error:
        return [
            f"cannot keep the hosts' addresses in {run.state_dir}: {error.strerror}",
            "  run this again when that is mended",
        ]
    return []


def _describe(log: Log) -> str:
    """Where to look further."""
    if log.problem is not None:
        return f"what Ansible said, as far as it could be written ({log.problem}): {log.path}"
    return f"all that Ansible said: {log.path}"


def describe_failures(progress: Progress, hosts: Mapping[str, Host]) -> list[str]:
    """Lines for what failed, each failure once for all hosts that share it."""
    groups: dict[tuple[str, Explanation], list[str]] = {}
    for failure in progress.fatal:
        host = hosts.get(failure.host, Host(name=failure.host, address=failure.host))
        explanation = explain(failure, login=login(host))
        groups.setdefault((_place(failure), explanation), []).append(failure.host)
    refusals = dict.fromkeys(map(explain_refusal, progress.errors))
    lines = [line for refusal in refusals for line in refusal.told]
    for (place, explanation), found in list(groups.items())[:_TOLD]:
        names = [host for host in progress.hosts if host in found] or found
        # A message of several lines was laid out by who wrote it, hosts and all.
        prefix = f"{name_hosts(names)}: " if place or len(explanation.lines) == 1 else ""
        lines += [f"{prefix}{place}{line}" for line in explanation.lines]
        lines += [f"  {explanation.remedy}"] if explanation.remedy else []
    if len(groups) > _TOLD:
        lines.append(f"and {len(groups) - _TOLD} more failures")
    return lines


def hosts_to_repeat(progress: Progress) -> list[str]:
    """Hosts that failed while others went on: only they have to go through it again.

    What stops the whole lab is counted as a failure of one host, but then no host comes to a
    later step.
    """
    failed = [host for host in progress.hosts if host in progress.lost]
    at = {step: place for place, step in enumerate(progress.steps, 1)}
    last = max((at.get(failure.step, len(at)) for failure in progress.fatal), default=0)
    later = {host for step in progress.steps[last:] for host in progress.cells.get(step, ())}
    return failed if later.difference(failed) else []


def describe_rest(failed: Sequence[str], file: Path | None) -> list[str]:
    """A line for hosts that failed while others went on; a file may have their names."""
    if not failed:
        return []
    limit = ",".join(failed) if file is None else f"{shlex.quote(f'@{file}')}, which names them"
    return [f"the other hosts went on; when these {len(failed)} are mended: --limit {limit}"]


def name_in_file(hosts: Sequence[str], state_dir: Path) -> Path | None:
    """A file that --limit takes; None where it cannot be written."""
    file = state_dir / "hosts-to-repeat"
    try:
        file.write_text("".join(f"{host}\n" for host in hosts))
    except OSError:
        return None
    return file


def _can_be_limited(run: PlaybookRun) -> bool:
    """Whether hosts that failed are made up for by running bootstrap for them alone."""
    return run.playbook.stem == "site" and run.tags is None


def login(host: Host) -> str:
    """The ssh command that leads to a host."""
    words = ["ssh"]
    words += ["-p", str(host.port)] if host.port else []
    words += ["-i", host.key_file] if host.key_file else []
    return " ".join([*words, f"{host.user}@{host.address}" if host.user else host.address])


def _place(failure: Failure) -> str:
    """Where it failed, unless the message speaks for itself."""
    if failure.is_unreachable or failure.says_it_itself:
        return ""
    return f"{failure.step}: {failure.task.rpartition(' : ')[2]}: "


@contextlib.contextmanager
def _log(run: PlaybookRun, now: datetime) -> Iterator[Log]:
    directory = run.state_dir / "logs"
    # A directory that was there before lab_state_dir named it may be open to others.
    make_state_dir(directory)
    name = "bootstrap" if run.playbook.stem == "site" else run.playbook.stem
    path = directory / f"{name}-{now:%Y%m%d-%H%M%S}.log"
    # Without a buffer, which is written once more at the end.
    with opened(path, "wb", buffering=0) as file:
        yield Log(path, file)
