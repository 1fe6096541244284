"""A full disk under a command is told with what could not be written."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILD = r"""
import errno
import sys

from mrunkit.cli import lab, main

names = sys.argv[1:]


def full():
    raise OSError(errno.ENOSPC, "No space left on device", *names)


lab._labs = full
sys.argv[1:] = ["lab", "down"]
main()
"""
"""A command that makes files, which it cannot."""


@pytest.mark.parametrize(
    ("names", "what"), [((), "the output"), (("/srv/labs/lab",), "/srv/labs/lab")]
)
def test_what_could_not_be_written_is_named(names: tuple[str, ...], what: str) -> None:
    """Only where the system names no file, it was the output."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *names], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        125,
        f"mrunkit: cannot write {what}: No space left on device\n",
    )
