"""Tasks as process groups of this machine.

Owns how a command becomes processes, and that nothing of it is left when it is over. Knows
neither masters nor updates.

Where the kernel permits, util-linux's `unshare` gives each task a UTS namespace, so that it sees
its agent's host name, IPC and /dev/shm of its own, and a PID namespace, whose end is the end of all
that is in it. Elsewhere a task is a session of its own, and what has left that is found by its
sandbox in the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from mrunkit.local.executor import Ended, Launch, LaunchError, Started
from mrunkit.local.status import TaskState
from mrunkit.local.stragglers import kill_marked
from mrunkit.local.wire import Command

INIT = """\
{ echo "$1" >/proc/sys/kernel/hostname; } 2>/dev/null || hostname "$1"; errors=$2; shift 2
mount -t tmpfs -o mode=1777 tmpfs /dev/shm 2>/dev/null
(echo >&0; read -r go || exit; exec "$@" 0</dev/null 2>>"$errors"); exit $?
"""
"""What PID 1 of a task's namespace does. With a shell in between, the command is not PID 1, whose
default action for SIGTERM would be to ignore it. The shell's own messages go nowhere.

The child's stdin is a socket to the agent, over which each tells the other that it lives: from
then on the death of one is the end of the other, and SIGTERM reaches what becomes the command.
Without that, an agent killed while `unshare` forks left the task behind, and a KILL right after
RUNNING had to wait for SIGKILL; both were seen, on a busy machine.

Shared memory is the host's own, as is the IPC namespace: ranks killed leave files in /dev/shm, and
UCX takes memory of another host, with its process ids, for its own (12 ranks on 4 hosts failed in
MPI_Init in one run out of four)."""

AGENT_VARIABLES = ("MESOS_", "LIBPROCESS_")
"""Variables with these beginnings are an agent's own and not handed down to its tasks."""


class Isolation(Enum):
    """How far a task can be kept apart, by the options of `unshare` that do it."""

    NAMESPACES = ("--uts", "--ipc", "--pid", "--mount-proc", "--fork", "--kill-child")
    """Namespaces of its own, and the /proc to them: MPI looks for its neighbours there."""
    USER_NAMESPACES = ("--user", "--map-root-user", *NAMESPACES)
    """The same for an ordinary user, who is root inside."""
    SESSION = ()
    """No namespaces: a session of its own, and a search for what left it."""


@functools.cache
def probe_isolation() -> Isolation:
    """The best isolation that works here, found out by trying once."""
    for isolation in (Isolation.NAMESPACES, Isolation.USER_NAMESPACES):
        ours, theirs = socket.socketpair()
        ours.send(b"\n")
        trial = wrap(["true"], isolation, hostname="probe", errors=Path(os.devnull))
        with ours, theirs, contextlib.suppress(FileNotFoundError):
            done = subprocess.run(trial, check=False, stdin=theirs.fileno(), capture_output=True)
            if done.returncode == 0 and not done.stderr:
                return isolation
    return Isolation.SESSION


def wrap(command: list[str], isolation: Isolation, *, hostname: str, errors: Path) -> list[str]:
    """The words that run a command isolated, its stderr appended to a file.

    Every process of the chain dies with the one that started it, so that a cluster that is
    killed takes its tasks along.
    """
    if isolation is Isolation.SESSION:
        return command
    die_with_parent = ["setpriv", "--pdeathsig", "KILL"]
    init = ["/bin/sh", "-c", INIT, "sh", hostname, str(errors)]
    return [*die_with_parent, "unshare", *isolation.value, *init, *command]


def command_words(command: Command, path: str | None) -> list[str]:
    """The words of a command; its `arguments` begin with its own name, as in Mesos."""
    value = command.value or ""
    if command.shell:
        return ["/bin/sh", "-c", value]
    # With its path, because the shell of INIT would take "true" or "exit" for its own.
    program = value if "/" in value else shutil.which(value, path=path) or f"./{value}"
    return [program, *command.arguments[1:]]


def task_environment(launch: Launch, inherited: Mapping[str, str]) -> dict[str, str]:
    """A task's environment: the agent's, what Mesos adds, and what the task wants."""
    environment = {
        name: value for name, value in inherited.items() if not name.startswith(AGENT_VARIABLES)
    }
    environment |= {
        "LIBPROCESS_IP": launch.ip,
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": f"{launch.ip}:5051",
        "MESOS_AGENT_ID": launch.agent_id,
        "MESOS_ALLOCATION_ROLE": launch.role,
        "MESOS_CHECKPOINT": "0",
        "MESOS_CONTAINER_IP": launch.ip,
        "MESOS_DIRECTORY": str(launch.sandbox),
        "MESOS_EXECUTOR_ID": launch.task.id,
        "MESOS_FRAMEWORK_ID": launch.framework_id,
        "MESOS_SANDBOX": str(launch.sandbox),
        "MESOS_SLAVE_ID": launch.agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{launch.ip}:5051",
        "MESOS_TASK_ID": launch.task.id,
        "PWD": str(launch.sandbox),
    }
    if launch.task.command is not None:
        environment |= launch.task.command.environment
    return environment


def exit_message(returncode: int) -> str:
    """Mesos' words for the end of a command; below 0 is a signal's number, as in subprocess."""
    if returncode < 0:
        return f"Command terminated with signal {signal.strsignal(-returncode)}"
    return f"Command exited with status {returncode}"


class ProcessExecutor:
    """Runs command tasks."""

    def __init__(self, isolation: Isolation | None = None) -> None:
        self.isolation = probe_isolation() if isolation is None else isolation

    async def prepare(self, launch: Launch) -> None:
        """A command needs nothing."""

    async def start(self, launch: Launch) -> RunningProcess:
        """Start a task's command in its sandbox, with its output in files there."""
        command = launch.task.command
        if command is None:
            raise LaunchError("The task has no command")
        if command.has_uris:
            raise LaunchError(
                f"Failed to fetch all URIs for container '{launch.container_id}': "
                "the embedded cluster fetches nothing"
            )
        environment = task_environment(launch, os.environ)
        words = command_words(command, environment.get("PATH"))
        words = [*_as_user(command.user or launch.user, launch.sandbox), *words]
        errors = launch.sandbox / "stderr"
        errors.touch()
        isolated = self.isolation is not Isolation.SESSION
        ours, theirs = socket.socketpair()
        with (
            ours,
            theirs,
            (launch.sandbox / "stdout").open("ab") as stdout,
            errors.open("ab") as stderr,
        ):
            try:
                # Starting is a vfork of about a millisecond; there is nothing to await.
                process = subprocess.Popen(  # noqa: ASYNC220
                    wrap(words, self.isolation, hostname=launch.hostname, errors=errors),
                    cwd=launch.sandbox,
                    env=environment,
                    stdin=theirs.fileno() if isolated else subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=subprocess.DEVNULL if isolated else stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise LaunchError(f"Failed to run {words[0]!r}: {error.strerror}") from error
            theirs.close()
            running = RunningProcess(process, launch.sandbox, self.isolation)
            if isolated:
                await _greet(ours)
        return running


class RunningProcess:
    """A command that was started."""

    def __init__(
        self, process: subprocess.Popen[bytes], sandbox: Path, isolation: Isolation
    ) -> None:
        self._process = process
        self._sandbox = sandbox
        self._isolation = isolation
        self._destroyed = False
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._deadline: asyncio.TimerHandle | None = None
        self._pidfd = os.pidfd_open(process.pid)
        self._loop.add_reader(self._pidfd, self._reap)

    @property
    def pid(self) -> int | None:
        """The leader of the task's session."""
        return self._process.pid

    def terminate(self, grace: float) -> None:
        """SIGTERM to the command's process group; SIGKILL to all of it after `grace` seconds."""
        if self._ended.done():
            return
        if self._deadline is None:
            with contextlib.suppress(ProcessLookupError):
                # unshare blocks SIGTERM for itself, and the kernel keeps it from PID 1.
                os.killpg(self._process.pid, signal.SIGTERM)
        else:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(grace, self.destroy)

    def destroy(self) -> None:
        """SIGKILL to everything the task started."""
        if self._ended.done():
            return
        self._destroyed = True
        with contextlib.suppress(ProcessLookupError):
            inits = self._inits()
            if not inits:
                os.killpg(self._process.pid, signal.SIGKILL)
            for pid in inits:
                # PID 1's end is that of its namespace; unshare waits until that is complete.
                os.kill(pid, signal.SIGKILL)

    async def started(self) -> Started | None:
        """It was from the beginning."""
        return Started()

    async def wait(self) -> Ended:
        """How the command ended; whatever it left behind is gone by then."""
        returncode = await asyncio.shield(self._ended)
        return Ended(succeeded=returncode == 0, message=exit_message(returncode))

    def _inits(self) -> list[int]:
        if self._isolation is Isolation.SESSION:
            return []
        pid = self._process.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            return [int(child) for child in children.split()]
        return []

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        returncode = self._process.wait()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._isolation is Isolation.SESSION:
            kill_marked(f"MESOS_SANDBOX={self._sandbox}")
        self._ended.set_result(self._own_returncode(returncode))

    def _own_returncode(self, returncode: int) -> int:
        if self._isolation is Isolation.SESSION:
            return returncode
        if self._destroyed:
            return -signal.SIGKILL
        # The shell tells a signal as 128 and its number; `exit 137` looks the same.
        if returncode > 128 and returncode - 128 in signal.valid_signals():
            return 128 - returncode
        return returncode


async def _greet(task: socket.socket) -> None:
    """Wait for PID 1 to be there, and let it go on; if it died, its end is reported as any."""
    task.setblocking(False)
    with contextlib.suppress(ConnectionError):
        if await asyncio.get_running_loop().sock_recv(task, 1):
            task.send(b"\n")


def _as_user(user: str, sandbox: Path) -> list[str]:
    """Words in front of a command that make it another user's; only root can do that."""
    if os.geteuid() != 0:
        return []
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LaunchError(
            f"Failed to create executor directory '{sandbox}': Failed to chown directory to "
            f"'{user}': No such user '{user}'",
            reason="REASON_EXECUTOR_TERMINATED",
            state=TaskState.LOST,
        ) from None
    if account.pw_uid == os.geteuid():
        return []
    os.chown(sandbox, account.pw_uid, account.pw_gid)
    return [
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--init-groups",
    ]
