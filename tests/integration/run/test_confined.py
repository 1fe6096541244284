"""Jobs where the kernel refuses what it grants elsewhere, as in containers."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import subprocess
import sys

import pytest
from client import HELLO, Mrunkit

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, EQUALS, RETURN = 0x20, 0x15, 0x06
PROCESS_VM_READV = 310


def refuse_reading_memory() -> None:
    """Have the kernel refuse this process, and those it starts, to read another's memory."""
    instructions = [
        (LOAD, 0, 0, 0),  # the system call's number
        (EQUALS, 0, 1, PROCESS_VM_READV),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *it) for it in instructions))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)):
        if libc.prctl(*words, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number is of x86-64")
def test_ranks_that_may_not_read_each_others_memory_do_without(mrunkit: Mrunkit) -> None:
    """MPICH 5 would fail in MPI_Init, where there is no Yama to tell it."""
    done = subprocess.run(
        [sys.executable, "-m", "mrunkit", "run", "-N", "4", "-n", "10", "local", HELLO],
        env=mrunkit.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=refuse_reading_memory,
    )
    assert (done.returncode, done.stdout.count("My rank=")) == (0, 10), done.stderr
