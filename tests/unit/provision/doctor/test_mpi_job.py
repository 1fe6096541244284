"""The job that proves a lab: how it is started, and what its end means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mrunkit.provision.doctor import mpi_job
from mrunkit.provision.doctor.mpi_job import Job
from mrunkit.provision.lab import read_lab
from mrunkit.ssh import Completed

JOB = Job(agents=2, of=2, program="mpi-hello", is_in_image=True, seconds=60)


def ended(stdout: str = "", stderr: str = "", status: int = 0) -> Completed:
    """How the job came to its end."""
    return Completed(status=status, stdout=stdout, stderr=stderr)


def test_a_job_proves_itself_by_all_of_its_ranks() -> None:
    """Two on each agent, in any order."""
    good = ended("".join(f"rank {rank} of 4 on node{rank % 2}\n" for rank in (2, 0, 3, 1)))
    assert list(mpi_job.job_problems(good, JOB, head="host0", is_at_head=False)) == []
    assert mpi_job.job_seen(good, JOB) == "4 ranks on 2 nodes met"


def test_agents_that_the_job_had_to_leave_out_are_counted() -> None:
    """Whether it holds or not: that they are missing is told by the check of the agents."""
    job = replace(JOB, of=3)
    good = ended("".join(f"rank {rank} of 4 on node{rank % 2}\n" for rank in range(4)))
    assert list(mpi_job.job_problems(good, job, head="host0", is_at_head=True)) == []
    assert mpi_job.job_seen(good, job) == "4 ranks on 2 nodes met, over 2 of 3 agents"
    (failed,) = mpi_job.job_problems(ended(status=15), job, head="host0", is_at_head=True)
    (short,) = mpi_job.job_problems(ended(), job, head="host0", is_at_head=True)
    assert failed.what == "status 15, over 2 of 3 agents: no word of why"
    assert short.what == "0 of 4 ranks said where they are, over 2 of 3 agents"


def test_ranks_that_are_missing_are_told_with_a_job_to_run_by_hand() -> None:
    """doctor has removed its own program, where it had to compile one."""
    short = ended("rank 0 of 4 on node0\n")
    by_hand = "run one by hand: mrunkit run -i INVENTORY -N 2 -n 4 "
    for job, program in (
        (JOB, "--in-image mpi-hello"),
        (replace(JOB, program="/share/hello", is_in_image=False), "PROGRAM"),
    ):
        (problem,) = mpi_job.job_problems(short, job, head="host0", is_at_head=False)
        assert problem.what == "1 of 4 ranks said where they are"
        assert problem.remedy == by_hand + program


def test_a_job_that_failed_is_told_in_its_own_words() -> None:
    """With its own remedy, and what helps if this machine is not in the lab."""
    said = "mrunkit: nothing listens at 10.0.0.1:5050\nmrunkit:   check that it runs there\n"
    failed = ended(stderr=said, status=125)
    (problem,) = mpi_job.job_problems(failed, JOB, head="host0", is_at_head=False)
    assert problem.what == "status 125: nothing listens at 10.0.0.1:5050"
    assert problem.remedy == (
        "check that it runs there; mrunkit bootstrap --tags client puts mrunkit on host0, for labs "
        "that this machine is not in; or --skip mpi"
    )
    (problem,) = mpi_job.job_problems(failed, JOB, head="host0", is_at_head=True)
    assert (problem.host, problem.remedy) == ("host0", "check that it runs there")


def test_the_job_is_one_that_fits_anywhere() -> None:
    """And does not wait for ever in a lab that is busy."""
    words = mpi_job.job_words(JOB, Path("lab.ini"))
    assert " ".join(words[3:]) == (
        "mrunkit run --inventory lab.ini --quiet --name mrunkit doctor -N 2 -n 4 -c 0.1 -m 32 "
        "--wait 15 --start-timeout 60 --time-limit 60 --in-image mpi-hello"
    )


def test_on_a_host_the_job_is_its_own_mrunkits(tmp_path: Path) -> None:
    """By the lab's user, with the lab's description that is there, where bootstrap put both."""
    inventory = tmp_path / "lab.ini"
    text = "[masters]\nhost0\n[agents]\nhost1\n[all:vars]\nclient_lab=/srv/lab\n"
    inventory.write_text(text)
    look, run = mpi_job.client_commands(JOB, read_lab(inventory), user="mpi")
    mrunkit, described = "/usr/local/bin/mrunkit", "/srv/lab/lab.yml"
    assert look.words[-2:] == (mrunkit, described)
    assert (run.user, run.timeout) == ("mpi", 180)
    assert run.words[4:8] == (mrunkit, "run", "--inventory", described)


def test_a_job_over_many_agents_has_more_time() -> None:
    """Images are unpacked and containers made on all of them, by one master's leave."""
    few, many = (
        mpi_job.job_over(agents, of=agents, program="p", is_in_image=True) for agents in (4, 500)
    )
    assert (few.seconds, many.seconds) == (61, 185)
    assert many.longest > 2 * many.seconds
