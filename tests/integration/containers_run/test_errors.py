"""Failures that users of containers meet: said in their words, with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from job_containers import ContainerRuns

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def test_a_missing_image(mrunkit: ContainerRuns) -> None:
    """It is needed here, for mpiexec."""
    ended = mrunkit.run("--image", "no.such/image:1", "local", mrunkit.program("hello_world"))
    assert ended.status == 125
    assert "there is no image no.such/image:1 on this machine" in ended.stderr
    assert "docker pull no.such/image:1" in ended.stderr


def test_a_missing_share(mrunkit: ContainerRuns) -> None:
    """It is never made: on the other hosts it would be missing as well."""
    ended = mrunkit.run_in("--share", "/no/such/share", "local", mrunkit.program("hello_world"))
    assert ended.status == 125
    assert "there is no share /no/such/share here" in ended.stderr


def test_a_shared_memory_that_is_too_small(mrunkit: ContainerRuns) -> None:
    """For four ranks; with even less, MPICH does without."""
    words = ("--shm-size", "16m", "-N", "1", "-n", "4", "local", mrunkit.program("hello_world"))
    ended = mrunkit.run_in(*words)
    assert ended.status not in (0, 125)
    assert "mrunkit: /dev/shm of a container is too small" in ended.stderr
    assert "give it more than --shm-size 16m" in ended.stderr


def test_docker_does_not_run(mrunkit: ContainerRuns) -> None:
    """Or not where DOCKER_HOST says."""
    words = ("local", mrunkit.program("hello_world"))
    ended = mrunkit.run_in(*words, variables={"DOCKER_HOST": "unix:///no/such/docker.sock"})
    assert ended.status == 125
    assert "Docker does not run" in ended.stderr
    assert "systemctl start docker" in ended.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_whom_docker_refuses(mrunkit: ContainerRuns) -> None:
    """Who is no member of the group docker, which the message names."""
    for directory in (mrunkit.tmp, mrunkit.work):
        directory.chmod(0o777)
    script = (
        "import os\n"
        "from mrunkit.containers.engine import EngineError, connect\n"
        "from mrunkit.local.docker_sdk import import_sdk\n"
        "import_sdk()\n"  # Python itself may be where nobody else can read
        "os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        "try: connect()\n"
        "except EngineError as error: print(error, '|', error.remedy)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said, _, remedy = ran.stdout.partition(" | ")
    assert (said, "usermod -aG docker" in remedy) == ("Docker's socket refuses us", True), ran


@pytest.mark.skipif(shutil.which("musl-gcc") is None, reason="no musl-gcc: install musl-tools")
def test_a_program_for_another_libc(mrunkit: ContainerRuns) -> None:
    """Refused before anything is launched, with the command that compiles it for the image."""
    (mrunkit.work / "mine.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["musl-gcc", "mine.c", "-o", "mine"], cwd=mrunkit.work, check=True)
    client = mrunkit.start_in("local", "./mine")
    ended = client.wait()
    assert ended.status == 126
    assert "compiled for musl, and the image has glibc" in ended.stderr
    assert f"mrunkit compile mine.c --image {mrunkit.image} -o mine" in ended.stderr
    assert [it for it in client.events if it["type"] == "LaunchTask"] == []


def test_out_of_memory_is_told_from_other_kills(mrunkit: ContainerRuns) -> None:
    """The kernel says whose limit it was: the job's."""
    ended = mrunkit.run_in("-m", "64", "-N", "2", "local", mrunkit.program("out_of_memory"))
    assert ended.status == 9
    assert "ran out of memory: the kernel killed a rank that needed more than -m" in ended.stderr
    assert "give ranks more with -m" in ended.stderr


def test_a_container_that_is_killed_is_no_lack_of_memory(mrunkit: ContainerRuns) -> None:
    """Somebody did it, and the message does not send the user after memory."""
    client = mrunkit.start_in("-N", "2", "local", mrunkit.program("forever"))
    client.until_said("is pid", 2)
    mrunkit.docker("kill", mrunkit.described()[0]["Id"])
    ended = client.wait()
    assert ended.status == 125
    assert "killed from outside (status 137), without having run out of memory" in ended.stderr
    assert "-m" not in ended.stderr.partition("killed from outside")[2]
