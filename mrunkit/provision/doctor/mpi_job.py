"""A real MPI job over all agents, started on the lab's master or here, and what its end means."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrunkit.containers.build import images_directory
from mrunkit.provision.doctor.facts import last_words
from mrunkit.provision.doctor.hosts import Command
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.provision.hosts import CLIENT, CLIENT_LAB
from mrunkit.ssh import Completed

PROGRAM_IN_IMAGE = "mpi-hello"
"""All images that `mrunkit image build` makes have it."""
SOURCE = "mpi-hello.c"
AS_AT_A_LOGIN = 'cd /; HOME=$(getent passwd "$(id -u)" | cut -d: -f6); export HOME; exec "$@"'
"""A script for `sh -c`: mrunkit keeps its records at home."""


def seconds_for(agents: int) -> float:
    """How long the job may take to start, and again to run: many hosts take longer."""
    return 60.0 + agents // 4


def longest_for(agents: int) -> float:
    """Seconds after which there is no use in waiting for its end."""
    return 3 * seconds_for(agents)


def compile_command(source: str, program: str, *, mpich_prefix: str, user: str) -> Command:
    """Compile the program on a host, for jobs without an image."""
    script = 'PATH="$2/bin:$PATH"; printf %s "$1" | mpicc -x c -o "$0" -'
    return Command(words=("sh", "-c", script, program, source, mpich_prefix), user=user, timeout=60)


def read_source() -> str:
    """The program's source, which comes with the images."""
    return (images_directory() / SOURCE).read_text()


def compile_problems(host: str, ended: Completed | None) -> Iterator[Problem]:
    """Why there is no program."""
    if ended is not None and ended.status != 0:
        yield Problem(
            what=f"the job's program cannot be compiled: {last_words(ended)}",
            remedy="mrunkit bootstrap --tags mpich,nfs",
            host=host,
        )


def job_words(
    inventory: Path, *, agents: int, program: str, is_in_image: bool, seconds: float | None = None
) -> list[str]:
    """The command line here: two ranks on each agent, which ask for next to nothing."""
    arguments = job_arguments(
        inventory, agents=agents, program=program, is_in_image=is_in_image, seconds=seconds
    )
    return [sys.executable, "-P", "-m", "mrunkit", *arguments]


def client_commands(
    *, agents: int, program: str, is_in_image: bool, user: str
) -> tuple[Command, Command]:
    """For a host of the lab: whether it has mrunkit, and the job by that."""
    look = Command(words=("sh", "-c", f"[ -x {CLIENT} ] && [ -e {CLIENT_LAB} ]"))
    arguments = job_arguments(
        Path(CLIENT_LAB), agents=agents, program=program, is_in_image=is_in_image
    )
    words = ("sh", "-c", AS_AT_A_LOGIN, "sh", CLIENT, *arguments)
    return look, Command(words=words, user=user, timeout=longest_for(agents))


def job_arguments(
    inventory: Path, *, agents: int, program: str, is_in_image: bool, seconds: float | None = None
) -> list[str]:
    """What mrunkit is told."""
    seconds = seconds_for(agents) if seconds is None else seconds
    ranks = ("-N", str(agents), "-n", str(2 * agents), "-c", "0.1", "-m", "32")
    limits = ("--wait", f"{seconds / 4:g}", "--start-timeout", f"{seconds:g}")
    where = ("--in-image",) if is_in_image else ("--workdir", "/")
    run = ("run", "--inventory", str(inventory), "--quiet", "--name", "mrunkit doctor")
    return [*run, *ranks, *limits, "--time-limit", f"{seconds:g}", *where, program]


def run_job(words: Sequence[str], *, longest: float) -> Completed:
    """Run the job to its end, for at most so many seconds.

    If we are interrupted, so is it, once, and it cleans up.
    """
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,  # a terminal's Ctrl-C goes to us only
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            process.terminate()
            stdout, stderr = process.communicate()
            stderr += f"\nmrunkit: no end within {longest:g} s"
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    return Completed(status=process.returncode, stdout=stdout, stderr=stderr)


def job_problems(
    ended: Completed, *, agents: int, head: str, is_at_head: bool = False
) -> Iterator[Problem]:
    """Why the job is no proof; `head` is a host of the lab that could start it, or has."""
    if ended.status != 0:
        said = [line.removeprefix("mrunkit: ") for line in ended.stderr.splitlines() if line]
        remedies = [line.strip() for line in said if line.startswith("  ")]
        whats = [line.strip() for line in said if not line.startswith("  ")]
        elsewhere = [
            f"mrunkit bootstrap --tags client puts mrunkit on {head}, for labs that this machine "
            "is not in; or --skip mpi"
        ]
        yield Problem(
            what=f"status {ended.status}: {'; '.join(whats[-2:]) or 'no word of why'}",
            remedy="; ".join((*remedies[-1:], *([] if is_at_head else elsewhere))),
            host=head if is_at_head else None,
        )
        return
    ranks = {int(rank) for rank, _ in _met(ended)}
    if ranks != set(range(2 * agents)):
        yield Problem(
            what=f"{len(ranks)} of {2 * agents} ranks said where they are",
            remedy="run the job by hand: mrunkit run -i INVENTORY --in-image mpi-hello",
        )


def job_seen(ended: Completed) -> str:
    """How many ranks met, on how many hosts."""
    met = _met(ended)
    return f"{len(met)} ranks on {len({host for _, host in met})} nodes met"


def _met(ended: Completed) -> list[tuple[str, str]]:
    return re.findall(r"^rank (\d+) of \d+ on (\S+)$", ended.stdout, re.MULTILINE)
