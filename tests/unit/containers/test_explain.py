"""What Docker, Mesos and the kernel said, and what it means: texts as they were met."""

from __future__ import annotations

import pytest

from mrunkit.containers.explain import explain_failure

MET = [
    (
        "Container exited with status 137",
        "killed from outside",
        "SIGKILL",
    ),
    (
        "Error response from daemon: pull access denied for mpi, repository does not exist or "
        "may require 'docker login': denied: requested access to the resource is denied",
        "no image mpi:1 on the host, nor in its registry",
        "mrunkit image distribute INVENTORY mpi:1, or mrunkit image push mpi:1",
    ),
    (
        "Error response from daemon: manifest for mpi:1 not found: manifest unknown",
        "no image mpi:1 on the host, nor in its registry",
        "mrunkit image push mpi:1",
    ),
    (
        "Error: No such image: mpi:1",
        "there is no image mpi:1 on the host",
        "mrunkit image distribute INVENTORY mpi:1",
    ),
    (
        "Failed to launch container: Failed to run 'docker -H unix:///var/run/docker.sock pull "
        "mpi:1': exited with status 1; stderr='Error response from daemon: Get "
        '"https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: '
        "no such host'",
        "could not be pulled: the host does not reach its registry",
        "mrunkit image distribute INVENTORY mpi:1",
    ),
    (
        "Executor did not register within 1mins REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        "executor_registration_timeout",
        "mrunkit image distribute",
    ),
    (
        "Error response from daemon: no available IPv4 addresses on this network's address "
        "pools: mpi-network (x7k2)",
        "network mpi-network has no address left",
        "--subnet",
    ),
    (
        "Error response from daemon: network mpi-network not found",
        "the host does not know network mpi-network",
        "--attachable --opt encrypted mpi-network",
    ),
    (
        "failed to register layer: write /usr/lib/libmpich.so.12: no space left on device",
        "no space left",
        "docker system prune",
    ),
    (
        "Got permission denied while trying to connect to the Docker daemon socket at "
        "unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied",
        "Docker's socket refuses us",
        "group docker",
    ),
    (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
        "daemon running?",
        "Docker does not run on the host",
        "systemctl start docker",
    ),
    (
        "Error response from daemon: attaching to network failed, make sure your network options "
        "are correct and check manager logs: context deadline exceeded",
        "network mpi-network gave the container no address",
        "--subnet",
    ),
    (
        "docker: Error response from daemon: Could not attach to network mpi-network: context "
        "deadline exceeded.",
        "or the host is too slow to join it",
        "docker node ls shows the manager",
    ),
    (
        # Apache Mesos' src/docker/docker.cpp, about what Docker 26 says of an image.
        "Failed to launch container: Unable to find 'ContainerConfig.Entrypoint'",
        "Apache Mesos 1.11 fails with 26 and later",
        "install a Docker before 26 there",
    ),
    (
        "Error response from daemon: unable to find user mpi: no matching entries in passwd file",
        "the image does not have the user",
        "--user UID:GID",
    ),
]


@pytest.mark.parametrize(("text", "message", "remedy"), MET)
def test_a_known_failure_is_explained(text: str, message: str, remedy: str) -> None:
    """Which of them it is, with the names of image and network, and what to do."""
    found = explain_failure(text, image="mpi:1", network="mpi-network")
    assert found is not None
    assert (message in found.message, remedy in found.remedy) == (True, True), found


@pytest.mark.parametrize("text", ["", "Container exited with status 1", "exited with status 1370"])
def test_the_rest_speaks_for_itself(text: str) -> None:
    """An explanation that does not fit is worse than none."""
    assert explain_failure(text, image="mpi:1", network="mpi-network") is None
