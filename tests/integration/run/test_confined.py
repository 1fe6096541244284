"""Jobs where the kernel refuses what it grants elsewhere, as in containers."""

from __future__ import annotations

import ctypes
import errno
import functools
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

REFUSED = {
    # MPICH 5 would fail in MPI_Init, where there is no Yama to tell it.
    "reading another's memory": (310, errno.EPERM),
    # A kernel before 5.3; so nobody tells that the cluster has ended.
    "pidfd_open": (434, errno.ENOSYS),
}
"""Numbers of system calls on x86-64, and what the kernel answers."""


def refuse(number: int, error: int) -> None:
    """Have the kernel refuse a system call to this process, and to those that it starts."""
    instructions = [
        (LOAD, 0, 0, 0),  # the system call's number
        (EQUALS, 0, 1, number),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | error),
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


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are of x86-64")
@pytest.mark.parametrize("what", REFUSED)
def test_a_job_does_without(mrunkit: Mrunkit, what: str) -> None:
    """What is refused only makes it slower, or its end less clear."""
    done = subprocess.run(
        [sys.executable, "-m", "mrunkit", "run", "-N", "4", "-n", "10", "local", HELLO],
        env=mrunkit.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=functools.partial(refuse, *REFUSED[what]),
    )
    assert (done.returncode, done.stdout.count("My rank=")) == (0, 10), done.stderr
