"""`mrunkit run` as a user runs it: real MPICH, real pymesos, the embedded cluster."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from client import Mrunkit
from leftovers import adopting, descendants, end_all, until
from served import Served, serving

from mrunkit.local.config import LocalConfig

QUICK = LocalConfig(agents=4, cpus=4, allocation_interval=0.2)
"""What most tests need; a real master allocates once a second."""


@pytest.fixture
def mrunkit(tmp_path: Path) -> Iterator[Mrunkit]:
    """The command; when the test is over, nothing of what it started may be left."""
    command = Mrunkit(directory=tmp_path)
    command.tmp.mkdir()
    command.work.mkdir()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # or clients would heed a nohup of the tests
    before = descendants().keys()
    with adopting():
        yield command
        try:
            until(lambda: descendants().keys() <= before, "all processes gone")
        except AssertionError as error:
            left = {pid: found for pid, found in descendants().items() if pid not in before}
            end_all(left)
            raise AssertionError(f"left running: {left}") from error
        finally:
            for client in command.clients:
                client.kill()
    assert list(command.tmp.iterdir()) == []
    assert list(command.state_dir.rglob("*.new")) == []


@pytest.fixture
def serve(mrunkit: Mrunkit) -> Iterator[Callable[..., Served]]:
    """Serve a cluster in this process; arguments replace those of QUICK."""
    with ExitStack() as running:

        def start(**changes: object) -> Served:
            config = replace(QUICK, **changes)
            return running.enter_context(serving(config))

        yield start


@pytest.fixture
def cluster(serve: Callable[..., Served]) -> Served:
    """Four agents with four cpus each, in this process, and their faults."""
    return serve()
