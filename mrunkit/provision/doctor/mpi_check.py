"""The last check: a job over the agents, started on the first master where that has mrunkit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mrunkit.provision.doctor import mpi_job, reach
from mrunkit.provision.doctor.hosts import Answers, Hosts, Probe
from mrunkit.provision.doctor.mpi_job import Job
from mrunkit.provision.doctor.verdicts import Check, Problem, Verdict, judged
from mrunkit.provision.lab import Lab, LabHost
from mrunkit.ssh import Completed

UserOf = Callable[[str], str]
"""The lab's user on the host of this name."""


def check_mpi(
    hosts: Hosts, lab: Lab, agents: Sequence[LabHost], *, run: str, user: UserOf
) -> list[Verdict]:
    """Run the job over some of the lab's agents and judge its end.

    `run` is what this run of doctor calls its files by.
    """
    program, problems = _program(hosts, lab, agents[0], run=run, user=user)
    if problems:
        return judged(Check.MPI, problems, seen="")
    is_in_image = lab.settings.image is not None
    job = mpi_job.job_over(
        len(agents), of=len(lab.agents), program=program, is_in_image=is_in_image
    )
    head = lab.masters[0].name
    at_head = _job_at_head(hosts, lab, job, user=user)
    if at_head.problems:
        return judged(Check.MPI, at_head.problems, seen="")
    ended = at_head.by_host[head]
    is_at_head = ended is not None
    if ended is None:
        ended = mpi_job.run_job(mpi_job.job_words(job, lab.inventory), longest=job.longest)
    problems = [*mpi_job.job_problems(ended, job, head=head, is_at_head=is_at_head)]
    seen = mpi_job.job_seen(ended, job) + (f", started on {head}" if is_at_head else "")
    return judged(Check.MPI, problems, seen=seen)


def _job_at_head(hosts: Hosts, lab: Lab, job: Job, *, user: UserOf) -> Answers[Completed | None]:
    """The job as those start it who log in there; None: mrunkit is not there."""
    head = lab.masters[0].name
    look, start = mpi_job.client_commands(job, lab, user=user(head))

    def ask(_: str, probe: Probe) -> Completed | None:
        (found,) = probe.run([look])
        return probe.run([start])[0] if found.status == 0 else None

    return hosts.ask(ask, [head])


def _program(
    hosts: Hosts, lab: Lab, agent: LabHost, *, run: str, user: UserOf
) -> tuple[str, list[Problem]]:
    """In the image, or compiled on an agent for all into the share; or why there is none."""
    if lab.settings.image is not None:
        return mpi_job.PROGRAM_IN_IMAGE, []
    path = f"{lab.settings.share}/{reach.FILE_PREFIX}{run}-hello"
    source, prefix = mpi_job.read_source(), agent.role_variable("mpich_prefix")

    def compile_there(name: str, probe: Probe) -> Completed:
        owner = user(name)
        probe.ask("at_end", command=reach.remove_command(path, user=owner).to_json())
        command = mpi_job.compile_command(source, path, mpich_prefix=prefix, user=owner)
        (ended,) = probe.run([command])
        return ended

    ended = hosts.ask(compile_there, [agent.name])
    return path, [
        *ended.problems,
        *mpi_job.compile_problems(agent.name, ended.by_host.get(agent.name)),
    ]
