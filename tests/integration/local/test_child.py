"""The cluster as a child process: quickly there, and gone without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_scheduler import scheduler

from mrunkit.errors import MrunkitError
from mrunkit.local import spawn
from mrunkit.local.config import LocalConfig
from mrunkit.local.stragglers import marked_processes

MARKER = "LC_MRUNKIT_TEST"
"""Of a client's environment, agents get little besides the variables of its locale."""


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail after a long time."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


HIDDEN = ["sleep", "1000", f"0.{os.getpid()}"]
"""What tasks leave behind without an environment to find it by."""


def living(marker: str) -> list[int]:
    hidden = "\0".join(HIDDEN).encode() + b"\0"
    found = list(marked_processes(f"{MARKER}={marker}"))
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if process.joinpath("cmdline").read_bytes() == hidden:
                found.append(int(process.name))
    return found


def work_dirs() -> list[Path]:
    """What children have made in the TMPDIR that `marker` gives them."""
    return list(Path(os.environ["TMPDIR"]).glob("mrunkit-local-*"))


async def run_sleeper(address: str) -> None:
    """Start a task that would sleep for long, in a session of its own, and leave it."""
    async with scheduler(address, failover_timeout=600) as framework:
        offers = await framework.offers(2)
        line = f"setsid sleep 1000 & (env -i setsid {' '.join(HIDDEN)} &) ; sleep 1000"
        task_id = await framework.launch(offers[0], line)
        await framework.status(task_id, "TASK_RUNNING")


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A value of MARKER that the child and all its tasks inherit; they have a TMPDIR, too."""
    name = f"{os.getpid()}-{request.node.name}"
    monkeypatch.setenv(MARKER, name)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return name


def test_stop_leaves_nothing(marker: str) -> None:
    """No process, no directory, no listener."""
    child = spawn.start(LocalConfig(agents=2))
    asyncio.run(run_sleeper(child.address()))
    assert len(living(marker)) > 2
    child.stop()
    assert living(marker) == []
    assert work_dirs() == []
    with pytest.raises(OSError, match="refused"), connect(child.address()):
        pass


def connect(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(marker: str, number: signal.Signals) -> None:
    """SIGTERM and SIGINT clear up, too."""
    child = spawn.start(LocalConfig(agents=2))
    asyncio.run(run_sleeper(child.address()))
    os.kill(child.pid, number)
    until(lambda: living(marker) == [])
    child.stop()
    assert work_dirs() == []


def test_tasks_die_with_a_child_that_is_killed(marker: str) -> None:
    """kill -9 of the child ends its tasks at once; stop() removes its directory."""
    child = spawn.start(LocalConfig(agents=2))
    asyncio.run(run_sleeper(child.address()))
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: living(marker) == [])
    child.stop()
    assert work_dirs() == []


def test_everything_ends_with_a_client_that_is_killed(marker: str) -> None:
    """kill -9 of the client closes the lifeline; the child clears up."""
    script = (
        "import sys; from mrunkit.local import spawn; from mrunkit.local.config import *;"
        "child = spawn.start(LocalConfig(agents=2)); print(child.address(), flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdout is not None
        asyncio.run(run_sleeper(client.stdout.readline().decode().strip()))
        client.kill()
    until(lambda: living(marker) == [] and work_dirs() == [])


def test_a_port_that_is_taken_is_told() -> None:
    """The reason why the child died is in the error."""
    with spawn.start(LocalConfig(agents=1)) as first:
        port = int(first.address().partition(":")[2])
        with (
            spawn.start(LocalConfig(agents=1, port=port)) as second,
            pytest.raises(MrunkitError, match="address already in use"),
        ):
            second.address()


def test_the_client_needs_no_server() -> None:
    """Importing what starts the child imports neither asyncio nor aiohttp."""
    script = (
        "import sys, mrunkit.local.spawn;"
        "print(sorted({'asyncio', 'aiohttp', 'logging'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
