"""Containers of one deployment trust each other's ssh, and those of another one do not."""

from __future__ import annotations

import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Deployment
    from docker_fixtures import DebianImages, Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

HELLO = ["mpiexec", "-f", "hosts", "-n", "6", "mpi-hello"]


@pytest.fixture(scope="module")
def deployment(deploy: Callable[[int], Deployment]) -> Deployment:
    """A head and two workers."""
    return deploy(2)


@pytest.fixture(scope="module")
def other_deployment(deploy: Callable[[int], Deployment]) -> Deployment:
    """A head and a worker that have nothing to do with the others."""
    return deploy(1)


def authority(deployment: Deployment) -> str:
    """The public key that a deployment's containers trust."""
    return deployment.run("head", "cat", "/home/mpi/.ssh/known_hosts").stdout


def test_mpiexec_reaches_all_containers_over_ssh(deployment: Deployment) -> None:
    """`mpiexec -f hosts` on the head places ranks on the head and on every worker."""
    job = deployment.run("head", "timeout", "60", *HELLO)
    lines = job.stdout.splitlines()
    assert sorted(line.split(" on ")[0] for line in lines) == [f"rank {r} of 6" for r in range(6)]
    hosts = [*deployment.containers("head"), *deployment.containers("worker")]
    ranks_of = Counter(line.split(" on ")[1] for line in lines)
    assert ranks_of == {container[:12]: 2 for container in hosts}


def test_jobs_over_several_hosts_end_every_time(deployment: Deployment) -> None:
    """Some versions of MPICH deadlock in MPI_Finalize once in a while: Debian 12's, in every fifth
    job of this size.
    """
    job = shlex.join(["timeout", "30", *HELLO])
    ended = deployment.run("head", "sh", "-c", f"for i in $(seq 15); do {job} || exit; done")
    assert len(ended.stdout.splitlines()) == 15 * 6


def test_each_container_has_keys_of_its_own(deployment: Deployment, docker: Run) -> None:
    """A key that leaks from one container is worth that container, not all of them."""
    containers = [*deployment.containers("head"), *deployment.containers("worker")]
    files = ["/home/mpi/.ssh/id_ed25519.pub", "/home/mpi/.ssh/host_ed25519.pub"]
    keys = [line for c in containers for line in _lines(docker("exec", c, "cat", *files))]
    assert len(set(keys)) == 6


def test_two_deployments_have_different_authorities(
    deployment: Deployment, other_deployment: Deployment
) -> None:
    """Trust begins and ends with a deployment's volume, not with the image."""
    assert authority(deployment).startswith("@cert-authority mpi-node ssh-ed25519 ")
    assert authority(deployment) != authority(other_deployment)


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        pytest.param([], "Host key verification failed", id="client refuses the stranger's host"),
        pytest.param(
            ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
            "Permission denied (publickey)",
            id="server refuses the stranger's user",
        ),
    ],
)
def test_another_deployment_is_refused(
    deployment: Deployment,
    other_deployment: Deployment,
    docker: Run,
    bridge: None,
    options: list[str],
    refusal: str,
) -> None:
    """Sharing a network is not enough: both ends refuse each other."""
    head = deployment.containers("head")[0]
    stranger = other_deployment.containers("worker")[0]
    answer = docker("exec", head, "ssh", *options, stranger[:12], "true", check=False)
    assert (answer.returncode, refusal in answer.stderr) == (255, True), answer.stderr


@pytest.fixture(scope="module")
def bridge(deployment: Deployment, other_deployment: Deployment, docker: Run) -> Iterator[None]:
    """Put the other deployment's worker on the first one's network too."""
    stranger = other_deployment.containers("worker")[0]
    network = f"{deployment.project}_mpi"
    docker("network", "connect", network, stranger)
    yield
    docker("network", "disconnect", network, stranger)


def test_a_secret_serves_instead_of_a_volume(
    docker: Run, debian_images: DebianImages, tmp_path: Path
) -> None:
    """Where containers share no volume, as in a swarm, the authority's key is a secret."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ca")], check=True
    )
    (tmp_path / "ca").chmod(0o444)  # as Docker mounts a secret
    secret = ["-v", f"{tmp_path}/ca:/run/secrets/mpi_ca:ro"]
    server = docker(
        "run", "-d", "--rm", *secret, debian_images.default, "ssh-node", "serve"
    ).stdout.strip()
    try:
        command = "ssh-node keys && exec ssh -o ConnectionAttempts=20 localhost hostname"
        network = ["--network", f"container:{server}"]
        client = docker(
            "run", "--rm", *network, *secret, debian_images.default, "sh", "-c", command
        )
    finally:
        docker("rm", "-f", server)
    assert client.stdout.strip() == server[:12]


def test_nothing_to_share_trust_with_is_said(docker: Run, debian_images: DebianImages) -> None:
    """Without a volume or a secret, every container would trust only itself."""
    failed = docker("run", "--rm", debian_images.default, "ssh-node", "keys", check=False)
    assert failed.returncode == 1
    assert "mount one volume at /trust in all containers" in failed.stderr


def test_a_user_without_a_name_is_told_why_ssh_cannot_work(
    docker: Run, debian_images: DebianImages
) -> None:
    """ssh insists on an entry in /etc/passwd; its own message names no remedy."""
    words = ["run", "--rm", "--user", "54321:54321", debian_images.default, "ssh-node", "keys"]
    failed = docker(*words, check=False)
    assert failed.returncode == 1
    assert "run this as the image's own user" in failed.stderr


def _lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines()
