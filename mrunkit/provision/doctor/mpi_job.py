"""A real MPI job over the agents, started on the lab's master or here, and what its end means."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrunkit.containers.build import images_directory
from mrunkit.provision.doctor.facts import last_words
from mrunkit.provision.doctor.hosts import Command
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.provision.lab import Lab
from mrunkit.ssh import Completed

PROGRAM_IN_IMAGE = "mpi-hello"
"""All images that `mrunkit image build` makes have it."""
SOURCE = "mpi-hello.c"
AS_AT_A_LOGIN = 'cd /; HOME=$(getent passwd "$(id -u)" | cut -d: -f6); export HOME; exec "$@"'
"""A script for `sh -c`: mrunkit keeps its records at home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Two ranks on each agent, which ask for next to nothing."""

    agents: int
    of: int
    """So many the lab has; the others take no tasks."""
    program: str
    is_in_image: bool
    """Whether that is where the program is, and not on the share."""
    seconds: float
    """It may take to start, and again to run."""

    @property
    def ranks(self) -> int:
        """How many there are."""
        return 2 * self.agents

    @property
    def over(self) -> str:
        """Over how many it is, where that is not all."""
        return "" if self.agents == self.of else f", over {self.agents} of {self.of} agents"

    @property
    def longest(self) -> float:
        """Seconds after which there is no use in waiting for its end."""
        return 3 * self.seconds


def job_over(agents: int, *, of: int, program: str, is_in_image: bool) -> Job:
    """The job over so many agents `of` a lab's: many take longer."""
    seconds = 60.0 + agents // 4
    return Job(agents=agents, of=of, program=program, is_in_image=is_in_image, seconds=seconds)


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


def job_words(job: Job, inventory: Path) -> list[str]:
    """The command line here."""
    return [sys.executable, "-P", "-m", "mrunkit", *job_arguments(job, str(inventory))]


def client_commands(job: Job, lab: Lab, *, user: str) -> tuple[Command, Command]:
    """For the lab's first master: whether it has mrunkit, and the job by that."""
    script = '[ -x "$1" ] && [ -e "$2" ]'
    look = Command(words=("sh", "-c", script, "sh", lab.client, lab.client_inventory))
    arguments = job_arguments(job, lab.client_inventory)
    words = ("sh", "-c", AS_AT_A_LOGIN, "sh", lab.client, *arguments)
    return look, Command(words=words, user=user, timeout=job.longest)


def job_arguments(job: Job, inventory: str) -> list[str]:
    """What mrunkit is told; a lab that is busy is not waited for without end."""
    ranks = ("-N", str(job.agents), "-n", str(job.ranks), "-c", "0.1", "-m", "32")
    limits = ("--wait", f"{job.seconds / 4:g}", "--start-timeout", f"{job.seconds:g}")
    where = ("--in-image",) if job.is_in_image else ("--workdir", "/")
    run = ("run", "--inventory", inventory, "--quiet", "--name", "mrunkit doctor")
    return [*run, *ranks, *limits, "--time-limit", f"{job.seconds:g}", *where, job.program]


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


def job_problems(ended: Completed, job: Job, *, head: str, is_at_head: bool) -> Iterator[Problem]:
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
            what=f"status {ended.status}{job.over}: {'; '.join(whats[-2:]) or 'no word of why'}",
            remedy="; ".join((*remedies[-1:], *([] if is_at_head else elsewhere))),
            host=head if is_at_head else None,
        )
        return
    ranks = {int(rank) for rank, _ in _met(ended)}
    if ranks != set(range(job.ranks)):
        program = f"--in-image {PROGRAM_IN_IMAGE}" if job.is_in_image else "PROGRAM"
        yield Problem(
            what=f"{len(ranks)} of {job.ranks} ranks said where they are{job.over}",
            remedy="run one by hand: "
            f"mrunkit run -i INVENTORY -N {job.agents} -n {job.ranks} {program}",
        )


def job_seen(ended: Completed, job: Job) -> str:
    """How many ranks met, on how many hosts, and whether agents were left out."""
    met = _met(ended)
    return f"{len(met)} ranks on {len({host for _, host in met})} nodes met{job.over}"


def _met(ended: Completed) -> list[tuple[str, str]]:
    return re.findall(r"^rank (\d+) of \d+ on (\S+)$", ended.stdout, re.MULTILINE)
