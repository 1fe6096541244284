"""Guests' processes are found, and ended, by what they are: never by a number alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from mrunkit.lab.qemu_command import PROGRAM
from mrunkit.lab.qemu_processes import (
    choose_accelerator,
    end,
    find,
    free_port,
    trial_guest_runs,
)
from mrunkit.lab.request import Acceleration

OURS, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


@pytest.fixture
def guest() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose command line is that of a guest, and which only waits."""
    words = [PROGRAM, "-c", "import sys; print(flush=True); sys.stdin.read()", "-uuid", OURS]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, executable=sys.executable, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        # Until then its command line may still be ours.
        process.stdout.readline()
        yield process
        process.kill()


def test_a_guest_is_found_by_its_uuid(guest: subprocess.Popen[bytes]) -> None:
    """And those of other labs are not."""
    assert find({OURS, OTHER}) == {OURS: guest.pid}


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="no QEMU")
def test_the_trial_guest_is_a_program_that_ends() -> None:
    """Where its instructions are executed; a KVM without a processor for guests does not."""
    assert trial_guest_runs("tcg")


def test_a_process_that_is_not_the_guest_is_left_alone(guest: subprocess.Popen[bytes]) -> None:
    """The number of an ended guest may be another process' by now."""
    end(OTHER, guest.pid)
    assert guest.poll() is None


def test_the_guest_itself_is_ended(guest: subprocess.Popen[bytes]) -> None:
    """And waited for; again, it is as good."""
    end(OURS, guest.pid)
    assert guest.wait(10) < 0
    end(OURS, guest.pid)


def test_a_guest_keeps_its_port_while_that_is_free() -> None:
    """Else it gets another."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_tcg_needs_no_trial() -> None:
    """It works everywhere."""
    assert choose_accelerator(Acceleration.TCG) == "tcg"
