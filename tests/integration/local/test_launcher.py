"""What tasks start ends with them, and with the cluster, wherever it hides."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from raw_scheduler import Scheduler, scheduler, until

from mrunkit.local.cluster import LocalCluster
from mrunkit.local.config import LocalConfig
from mrunkit.local.launcher import enter_namespaces, system_call
from mrunkit.local.launcher_process import Isolation

TWO = LocalConfig(agents=2, cpus=4, mem=2048, allocation_interval=0.2)

Story = Callable[[LocalCluster, Scheduler], Awaitable[None]]


def play(story: Story, isolation: Isolation | None = None) -> None:
    """Run a story against a cluster, with a framework subscribed."""

    async def run() -> None:
        async with (
            LocalCluster(TWO, isolation=isolation) as cluster,
            scheduler(cluster.address) as framework,
        ):
            if isolation is None and await cluster.isolation() is Isolation.SESSION:
                pytest.skip("needs namespaces")
            await story(cluster, framework)

    asyncio.run(run())


NOBODYS_UID = 54321
PR_SET_DUMPABLE = 4


def test_an_ordinary_user_stays_one() -> None:
    """A program of the user's is not told that it is root's, in its namespaces either."""
    pid = os.fork()
    if pid == 0:
        seen = 1
        try:
            if os.getuid() == 0:
                os.setuid(NOBODYS_UID)
                system_call("prctl", PR_SET_DUMPABLE, 1)  # as an exec would
            before = os.getuid()
            enter_namespaces(as_user=True)
            seen = 0 if os.getuid() == before else 2
        finally:
            os._exit(seen)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 1:
        pytest.skip("needs namespaces")
    assert status == 0


def sleeper() -> list[str]:
    """Words of a program that nobody else runs, and that would run for a quarter of an hour."""
    return ["sleep", "1000", f"0.{uuid.uuid4().int % 10**12:012}"]


def running(words: list[str]) -> list[int]:
    """The processes that run this, wherever they are."""
    wanted = "\0".join(words).encode() + b"\0"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cmdline").read_bytes() == wanted:
                found.append(int(process.name))
        except OSError:  # it has just ended
            continue
    return found


def hiding(words: list[str], *, keeps_environment: bool = False) -> str:
    """A line that leaves a program without parent, session, output or environment, and runs."""
    environment = "" if keeps_environment else "env -i "
    program = f"sh -c ': >ready; exec {' '.join(words)}'"
    leave = f"({environment}setsid {program} </dev/null >/dev/null 2>&1 &)"
    return f"{leave}; until [ -e ready ]; do sleep 0.02; done"


def launchers() -> list[int]:
    """The processes that this one has made to start tasks, the innermost last."""
    found, parents = [], {os.getpid()}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            parent = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            is_ours = b"launcher.py" in process.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if is_ours and parent in parents:
            found.append(int(process.name))
            parents.add(int(process.name))
    return found


def is_in_shared_memory(name: str) -> bool:
    """Whether the machine's own has such an entry."""
    return Path("/dev/shm", name).exists()


@pytest.mark.parametrize(
    ("isolation", "keeps_environment"), [(None, False), (Isolation.SESSION, True)]
)
def test_what_a_task_leaves_behind_ends_with_it(
    isolation: Isolation | None, keeps_environment: bool
) -> None:
    """And what another task has left behind, which still runs, does not."""
    ours, theirs = sleeper(), sleeper()

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        first, second = await framework.offers(2)
        leave = hiding(theirs, keeps_environment=keeps_environment)
        other = await framework.launch(first, f"{leave}; exec sleep 1000")
        await framework.status(other, "TASK_RUNNING")
        await until(lambda: running(theirs) != [])
        leave = hiding(ours, keeps_environment=keeps_environment)
        task_id = await framework.launch(second, f"{leave}; exit 3")
        status = await framework.status(task_id, "TASK_FAILED")
        assert status["message"] == "Command exited with status 3"
        assert (running(ours), len(running(theirs))) == ([], 1)

    play(story, isolation)
    assert running(theirs) == []


def test_all_ends_when_the_launcher_is_killed() -> None:
    """kill -9 of what starts tasks: they are reported as killed, and none starts any more."""
    words = sleeper()

    async def story(_cluster: LocalCluster, framework: Scheduler) -> None:
        first, second = await framework.offers(2)
        task_id = await framework.launch(first, f"{hiding(words)}; exec {' '.join(words)}")
        await framework.status(task_id, "TASK_RUNNING")
        await until(lambda: len(running(words)) == 2)
        os.kill(launchers()[-1], signal.SIGKILL)
        status = await framework.status(task_id, "TASK_FAILED")
        assert status["message"] == "Command terminated with signal Killed"
        assert running(words) == []
        late = await framework.launch(second, "true")
        status = await framework.status(late, "TASK_FAILED")
        assert status["message"].endswith("the process that starts tasks has ended")

    play(story)


def test_shared_memory_is_the_clusters_own() -> None:
    """What tasks leave there is not the machine's, and is gone when the last task has ended."""
    name = f"mrunkit-test-{uuid.uuid4().hex}"

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        first, second = await framework.offers(2)
        line = f"mkdir /dev/shm/{name} && echo >/dev/shm/{name}/file && kill -9 $$"
        task_id = await framework.launch(first, line)
        status = await framework.status(task_id, "TASK_FAILED")
        assert status["message"] == "Command terminated with signal Killed"
        assert not is_in_shared_memory(name)
        task_id = await framework.launch(second, "ls -A /dev/shm", task_id="looks")
        await framework.status(task_id, "TASK_FINISHED")
        (looked,) = cluster.work_dir.glob("host2-*")
        assert (looked / "stdout").read_text() == ""

    play(story)


THE_C_LIBRARYS_OWN = (32, 33)
"""Signals which `posix_spawn` leaves ignored; glibc takes them back when it wants them."""


def _signals(status: str, name: str) -> set[int]:
    """The signals of a line of /proc/PID/status, but for those of the C library."""
    (mask,) = re.findall(rf"^{name}:\t(\w+)$", status, re.MULTILINE)
    found = {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}
    return found - {*THE_C_LIBRARYS_OWN}


def test_tasks_do_not_share_signals_with_the_launcher() -> None:
    """What Python ignores is not ignored by tasks; open files and their limit are its own."""

    ours = _signals(Path("/proc/self/status").read_text(), "SigIgn")

    async def story(cluster: LocalCluster, framework: Scheduler) -> None:
        first, _ = await framework.offers(2)
        line = (
            "ls /proc/self/fd | wc -l; ulimit -n; grep -E '^Sig(Blk|Ign)' /proc/self/status; "
            "kill -INT 1"
        )
        task_id = await framework.launch(first, line)
        await framework.status(task_id, "TASK_FINISHED")
        (sandbox,) = cluster.work_dir.glob("host*")
        open_files, limit, status = (sandbox / "stdout").read_text().split("\n", 2)
        # Standard streams, and the directory that `ls` reads.
        assert (open_files, limit) == ("4", str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
        assert _signals(status, "SigBlk") == set()
        assert _signals(status, "SigIgn") == ours - {signal.SIGPIPE, signal.SIGXFSZ}

    play(story)
