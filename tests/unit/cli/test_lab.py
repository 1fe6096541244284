"""`mrunkit lab up` that is ended from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = r"""
import os
import sys
import time

from mrunkit.cli import lab, main


class Hosts:
    def prepare(self, request, *, created, progress):
        progress.show(request.name, "making hosts")
        try:
            os.write(1, b"made\n")
            while True:
                time.sleep(0.1)  # the work, which no signal can slip by
        finally:
            progress.show("another bar", "removing what was made")
            os.write(1, b"removed\n")


lab._connect = lambda backend: Hosts()
sys.argv = ["mrunkit", "lab", "up"]
main()
"""
"""A lab whose backend has something to remove."""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_what_was_made_is_removed_whatever_ends_it(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Also if the terminal is closed, so that nothing can be said any more."""
    # Or it would heed that the tests themselves run under nohup, or in the background of a shell.
    before = signal.signal(number, signal.SIG_DFL)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "MRUNKIT_STATE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as child:
        signal.signal(number, before)
        os.close(theirs)
        assert child.stdout is not None
        assert child.stdout.readline() == "made\n"
        os.close(ours)
        child.send_signal(number)
        assert child.stdout.read() == "removed\n"
    assert child.returncode == status
