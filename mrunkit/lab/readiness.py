"""Waiting until a lab's hosts can be worked with: ssh answers, and systemd has started all."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrunkit.errors import MrunkitError
from mrunkit.lab.record import HostRecord, HostState
from mrunkit.lab.request import LabError
from mrunkit.lab.tree import Progress

_PAUSE = 0.3  # seconds between attempts to reach a host that does not listen yet
_ATTEMPT = 5.0  # seconds; QEMU takes connections for a guest that does not listen yet
_RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A host that answers, and what of it did not start."""

    host: str
    failed_units: tuple[str, ...]


class HostFailedError(LabError):
    """A host ended, or did not get ready in time."""

    def __init__(self, message: str, *, host: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.host = host


def wait_until_ready(
    hosts: Sequence[HostRecord],
    ssh_config: Path,
    states: Callable[[], dict[str, HostState]],
    *,
    seconds: float,
    progress: Progress,
) -> list[Readiness]:
    """Wait for all hosts; raises HostFailedError for the first that does not get ready.

    What keeps `states` from telling is raised as it is.
    """

    async def wait() -> list[Readiness]:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_watch(states))
            waiting = [
                group.create_task(_wait_for(host, ssh_config, seconds, progress)) for host in hosts
            ]
            ready = [await task for task in waiting]
            watcher.cancel()
        return ready

    try:
        return asyncio.run(wait())
    except* MrunkitError as failures:
        # The first that failed ended the others' waiting.
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[MrunkitError]) -> MrunkitError:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


async def _watch(states: Callable[[], dict[str, HostState]]) -> None:
    """Raise HostFailedError when a host ends."""
    while True:
        await asyncio.sleep(1.0)
        found = await asyncio.to_thread(states)
        for host, state in found.items():
            if state is not HostState.RUNNING:
                raise HostFailedError(f"{host} ended while it started", host=host)


async def _wait_for(
    host: HostRecord, ssh_config: Path, seconds: float, progress: Progress
) -> Readiness:
    progress.show(host.name, "starting")
    try:
        async with asyncio.timeout(seconds):
            # Nothing tells when it begins to listen.
            while not await _is_greeted(host):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)
            progress.show(host.name, "ssh answers")
            state = await _ask(host, ssh_config, "systemctl is-system-running --wait")
            failed: tuple[str, ...] = ()
            if state != _RUNNING:
                listed = await _ask(
                    host, ssh_config, "systemctl list-units --failed --plain --no-legend"
                )
                failed = tuple(line.split()[0] for line in listed.splitlines() if line.strip())
    except TimeoutError:
        raise HostFailedError(
            f"{host.name} was not ready in {seconds:.0f} s", host=host.name
        ) from None
    progress.show(host.name, "ready")
    return Readiness(host=host.name, failed_units=failed)


async def _is_greeted(host: HostRecord) -> bool:
    """Whether a server of ssh says hello."""
    writer = None
    try:
        async with asyncio.timeout(_ATTEMPT):
            reader, writer = await asyncio.open_connection(host.ssh_address, host.ssh_port)
            return (await reader.read(4)).startswith(b"SSH")
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def _ask(host: HostRecord, ssh_config: Path, command: str) -> str:
    """What a command prints on a host, whatever its status; tried again while ssh fails.

    sshd takes connections before pam_nologin and systemd's bus do their part.
    """
    while True:
        process = await asyncio.create_subprocess_exec(
            *ssh_words(ssh_config, host.name, "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        text = said.decode(errors="replace").strip()
        if process.returncode != 255 and text not in ("offline", "unknown"):
            return text
        await asyncio.sleep(_PAUSE)


def ssh_words(ssh_config: Path, host: str, *options: str) -> list[str]:
    """The command that logs in to a host."""
    return ["ssh", "-F", str(ssh_config), *options, host]
