"""What a job may rely on in the Debian image, looked up in containers of it."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from docker_fixtures import DebianImages, Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

CONFINED = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
STRANGER = ["--user", "54321:54321", *CONFINED]


@pytest.fixture(params=["default", "runtime"])
def image(request: pytest.FixtureRequest, debian_images: DebianImages) -> str:
    """Each of the image's targets in turn."""
    return str(getattr(debian_images, request.param))


def ranks(printed: str) -> list[str]:
    """What mpi-hello printed, without the host's name."""
    return sorted(line.split(" on ")[0] for line in printed.splitlines())


def test_user_is_a_number_and_not_root(docker: Run, image: str) -> None:
    """An orchestrator that refuses root can tell from the image alone."""
    assert docker("image", "inspect", "-f", "{{.Config.User}}", image).stdout == "1000:1000\n"


def test_tini_is_the_first_process(docker: Run, image: str) -> None:
    """Orphans are reaped and signals handed on, whatever the command is."""
    assert docker("run", "--rm", image, "cat", "/proc/1/comm").stdout == "tini\n"


def test_a_second_init_is_no_matter_of_complaint(docker: Run, image: str) -> None:
    """`docker run --init` puts another init in front, and stderr stays the job's own."""
    assert docker("run", "--rm", "--init", image, "true").stderr == ""


def test_the_commands_exit_code_is_the_containers(docker: Run, image: str) -> None:
    """Nothing stands between a command and its verdict."""
    assert docker("run", "--rm", image, "sh", "-c", "exit 7", check=False).returncode == 7


def test_a_given_command_finds_no_sshd_and_no_keys(docker: Run, image: str) -> None:
    """What ssh needs is made by `ssh-node`, never on the way to another command."""
    shown = docker("run", "--rm", image, "sh", "-c", "ls -A ~/.ssh /trust; cat /proc/[0-9]*/comm")
    assert shown.stdout.split() == ["/home/mpi/.ssh:", "/trust:", "tini", "sh"]


@pytest.mark.parametrize(
    "program", ["sh", "curl", "mpiexec", "hydra_pmi_proxy", "ip", "hostname", "sshd", "ssh"]
)
def test_a_jobs_container_finds_its_tools(docker: Run, image: str, program: str) -> None:
    """The rendezvous, Hydra and ssh need these, with or without compilers."""
    found = docker("run", "--rm", image, "sh", "-c", f"command -v {program}", check=False)
    assert (found.returncode, Path(found.stdout.strip()).name) == (0, program)


def test_any_user_runs_four_ranks_without_a_capability(docker: Run, image: str) -> None:
    """Jobs run as whoever submitted them, an id that no image can know."""
    job = docker("run", "--rm", *STRANGER, image, "mpiexec", "-n", "4", "mpi-hello")
    assert ranks(job.stdout) == [f"rank {rank} of 4" for rank in range(4)]


def test_any_user_compiles_in_the_default_target(
    docker: Run, debian_images: DebianImages, tmp_path: Path
) -> None:
    """A program is compiled in the image that runs it, and the runtime target runs it."""
    owner = ["--user", f"{os.getuid()}:{os.getgid()}", *CONFINED, "-v", f"{tmp_path}:/job"]
    source = "/usr/local/share/mpi-hello.c"
    docker("run", "--rm", *owner, debian_images.default, "mpicc", source, "-o", "/job/hello")
    job = docker("run", "--rm", *owner, debian_images.runtime, "mpiexec", "-n", "2", "/job/hello")
    assert ranks(job.stdout) == ["rank 0 of 2", "rank 1 of 2"]


@pytest.mark.parametrize("program", ["gcc", "cc", "mpicc", "mpicxx", "mpifort", "make"])
def test_runtime_has_no_compiler(docker: Run, debian_images: DebianImages, program: str) -> None:
    """What is not needed to run a program is not there to be used by an intruder."""
    words = ["run", "--rm", debian_images.runtime, "sh", "-c", f"command -v {program}"]
    found = docker(*words, check=False)
    assert (found.returncode, found.stdout) == (127, "")


def test_label_tells_the_version_that_is_inside(docker: Run, image: str) -> None:
    """mpiexec and hydra_pmi_proxy must match, so the label is what clients go by."""
    label = '{{index .Config.Labels "mrunkit.mpich"}}'
    labelled = docker("image", "inspect", "-f", label, image).stdout.strip()
    printed = docker("run", "--rm", image, "mpichversion").stdout.splitlines()[0]
    assert printed.split(":")[1].strip() == labelled


def test_no_layer_holds_a_key_or_sudo(
    docker: Run, debian_images: DebianImages, tmp_path: Path
) -> None:
    """A file that a later layer deletes is still pulled by everyone: all layers count."""
    archive = tmp_path / "images.tar"
    docker("save", "-o", str(archive), debian_images.default, debian_images.runtime)
    files = list(_files_of_all_layers(archive))
    archive.unlink()  # large, and pytest keeps the directories of several runs

    names = {name for name, _ in files}
    assert "usr/bin/ssh-keygen" in names
    assert [name for name, start in files if _is_private_key(start)] == []
    assert [name for name in names if Path(name).name in {"sudo", "sudoers", "doas"}] == []


def _files_of_all_layers(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every regular file's name and its first bytes."""
    with tarfile.open(archive) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        layers = {layer for image in json.load(manifest) for layer in image["Layers"]}
        for layer in sorted(layers):
            with tarfile.open(fileobj=saved.extractfile(layer)) as content:
                for member in content:
                    if member.isfile() and (file := content.extractfile(member)):
                        yield member.name.removeprefix("./"), file.read(64)


def _is_private_key(start: bytes) -> bool:
    return start.startswith(b"-----BEGIN") and b"PRIVATE KEY" in start
