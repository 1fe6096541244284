"""An embedded cluster as a child process, for a client that must not import its server.

Owns the child's start, its lifeline and its end. Needs little of the standard library, because
it is imported before all else.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from mrunkit.errors import MrunkitError
from mrunkit.local.stragglers import kill_marked

if TYPE_CHECKING:
    from mrunkit.local.config import LocalConfig

START_TIMEOUT = 30.0  # seconds; it takes a third of one
STOP_TIMEOUT = 10.0  # seconds

KEPT_VARIABLES = frozenset(
    {"HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"}
)
KEPT_PREFIXES = ("DOCKER_", "LC_", "PYTHON")


def agent_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the agents, and so their tasks, get of an environment: what a service would have.

    The rest is the client's own. Its secrets are no business of the ranks, and jobs should
    not depend on it that are to run on other hosts one day.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }


def prepare() -> ClusterProcess:
    """Start a child that imports a server and waits for its configuration.

    Ctrl-C in the terminal does not reach it.
    """
    log = os.fdopen(os.memfd_create("cluster's stderr"), "w+b")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mrunkit.local", "--config", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=agent_environment(os.environ),
        start_new_session=True,
    )
    return ClusterProcess(process, log)


def start(config: LocalConfig) -> ClusterProcess:
    """Start a cluster and do not wait for it."""
    cluster = prepare()
    cluster.configure(config)
    return cluster


class ClusterProcess:
    """A cluster's child process. It ends when this one's end of its stdin closes."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._is_configured = False
        self._address: str | None = None
        self._work_dir: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def configure(self, config: LocalConfig) -> None:
        """Have it serve a cluster."""
        # The client has imported this by now; for `prepare` it would be too early.
        from dataclasses import asdict

        assert self._process.stdin is not None
        self._is_configured = True
        with contextlib.suppress(BrokenPipeError):  # it has died; `address` tells why
            self._process.stdin.write(json.dumps(asdict(config)).encode() + b"\n")
            self._process.stdin.flush()

    def address(self) -> str:
        """HOST:PORT of the master, once it serves; raises MrunkitError if it never does."""
        if self._address is None:
            line = self._first_line()
            if not line:
                self._end()
                said = self._last_words()
                self.stop()
                raise MrunkitError(
                    f"the embedded cluster did not start: {said}",
                    remedy="run python -m mrunkit.local to see why",
                )
            told = json.loads(line)
            self._address, self._work_dir = str(told["address"]), str(told["work_dir"])
        return self._address

    def how_it_ended(self) -> str:
        """Of a child that has ended by itself: the signal, or its last words."""
        status = self._process.wait()
        return f"killed by {signal.Signals(-status).name}" if status < 0 else self._last_words()

    def stop(self) -> None:
        """End the cluster with all its tasks, and wait until it has; again: nothing."""
        self._end()
        if self._work_dir is not None and self._process.returncode != 0:
            # It was killed, so it could not clear up.
            kill_marked(f"MESOS_SANDBOX={self._work_dir}/")
            shutil.rmtree(self._work_dir, ignore_errors=True)
        self._log.close()

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        if not self._is_configured:
            self._process.kill()  # it has made nothing yet, and may still be importing
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _first_line(self) -> bytes:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        line = b""
        deadline = time.monotonic() + START_TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return b""
                part = os.read(stdout, 4096)
                if not part:
                    return b""
                line += part
        return line

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
