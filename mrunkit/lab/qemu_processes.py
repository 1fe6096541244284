"""The processes of guests: starting, finding and ending them.

A guest is known by the -uuid of its command line, which is its lab's and its own; so a process
that has got the number of an ended guest is never taken for it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from mrunkit.lab.qemu_command import PROGRAM, accelerator_words
from mrunkit.lab.request import Acceleration, LabError
from mrunkit.lab.tools import run_tool

_END_SECONDS = 10.0
_TRIAL_SECONDS = 5.0
_TRIAL_PORT = 0xF4
_TRIAL_STATUS = 3
"""What QEMU's isa-debug-exit makes of the 1 that the trial writes to it."""

# paddb mm0, mm0; mov dx, port; mov al, 1; out dx, al; then hlt for ever; at its end what makes it
# bootable. The first is for processors: a KVM that has none to run guests on, as in some virtual
# machines, emulates the instructions of a BIOS, but neither MMX's nor much of what kernels are of.
_TRIAL_SECTOR = bytes([0x0F, 0xFC, 0xC0, 0xBA, _TRIAL_PORT, 0, 0xB0, 1, 0xEE, 0xF4, 0xEB, 0xFD])
_TRIAL_DISK = _TRIAL_SECTOR.ljust(510, b"\0") + b"\x55\xaa"


class PortTakenError(LabError):
    """The port for a guest's ssh was taken meanwhile."""


def start(words: list[str]) -> None:
    """Start a guest, which stays when this process ends; raises LabError."""
    # It writes to its stderr until it has daemonized, and that is all it ever says.
    done = run_tool(words)
    if done.returncode == 0:
        return
    if "host forwarding" in done.stdout:
        raise PortTakenError(done.stdout.strip())
    raise LabError(f"a guest did not start: {done.stdout.strip()}")


def find(uuids: set[str]) -> dict[str, int]:
    """The process of each guest that runs."""
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal() and (uuid := _uuid_of(int(directory.name))) in uuids:
            found[uuid] = int(directory.name)
    return found


def end(uuid: str, pid: int) -> None:
    """End a guest's process and wait until it has ended; its disk is in order, if not its data."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Only now is the number sure to stay the one process.
        if _uuid_of(pid) != uuid:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, number)
            ended, _, _ = select.select([handle], [], [], _END_SECONDS)
            if ended:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    raise LabError(f"guest with process {pid} does not end")


def choose_accelerator(asked: Acceleration) -> str:
    """kvm or tcg; raises LabError if KVM is asked for and does not work."""
    if asked is Acceleration.TCG:
        return "tcg"
    # It may be there and not work.
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and trial_guest_runs("kvm"):
        return "kvm"
    if asked is Acceleration.KVM:
        raise LabError(
            "KVM does not run a guest here",
            remedy="is /dev/kvm there and yours to write? else: --accel tcg, 8 to 10 times slower",
        )
    return "tcg"


def free_port(preferred: int | None = None) -> int:
    """A free TCP port of the loopback interface, the preferred one if it is."""
    for port in (preferred or 0, 0):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    raise LabError("no TCP port of 127.0.0.1 is free")


def trial_guest_runs(accelerator: str) -> bool:
    """Whether a guest of twelve bytes runs to its end, with kvm or tcg."""
    with tempfile.NamedTemporaryFile(prefix="mrunkit-kvm-") as disk:
        disk.write(_TRIAL_DISK)
        disk.flush()
        words = [PROGRAM, *accelerator_words(accelerator), "-machine", "pc", "-m", "32"]
        words += ["-nodefaults", "-display", "none", "-drive", f"file={disk.name},format=raw"]
        words += ["-device", f"isa-debug-exit,iobase={_TRIAL_PORT},iosize=4"]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRIAL_SECONDS,
                check=False,
            )  # fmt: skip
        except (subprocess.TimeoutExpired, FileNotFoundError):
            return False
    return done.returncode == _TRIAL_STATUS


def _uuid_of(pid: int) -> str | None:
    """The -uuid in a process' command line, if it is a guest."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    if Path(words[0]).name != PROGRAM or "-uuid" not in words:
        return None
    return words[words.index("-uuid") + 1]
