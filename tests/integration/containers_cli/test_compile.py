"""`mrunkit compile`, with the compilers of a real image."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from busybox_image import busybox_tree
from command import Mrunkit

from mrunkit.containers.compile import compile_in_image, compile_request
from mrunkit.containers.images import inspect_image
from mrunkit.process_identity import ProcessIdentity

if TYPE_CHECKING:
    from conftest import Images

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def hello(mrunkit: Mrunkit) -> Path:
    """The source of hello world in the working directory."""
    return Path(shutil.copy(EXAMPLES / "hello_world.c", mrunkit.work / "hello.c"))


@pytest.fixture
def slow_image(engine: docker.DockerClient) -> Iterator[str]:
    """An image whose mpicc lists the directory, and does not end."""
    script = b"#!/bin/sh\nls\nexec sleep 600\n"
    packed = io.BytesIO(busybox_tree(("sh", "ls", "sleep")))
    with tarfile.open(fileobj=packed, mode="a") as tar:
        mpicc = tarfile.TarInfo("bin/mpicc")
        mpicc.mode, mpicc.size = 0o755, len(script)
        tar.addfile(mpicc, io.BytesIO(script))
    name = "mrunkit/slow-mpicc:test"
    words = ["docker", "import", "--change", "ENV PATH=/bin", "-", name]
    subprocess.run(words, input=packed.getvalue(), check=True, capture_output=True)
    yield name
    engine.images.remove(name, force=True)


@pytest.fixture(autouse=True)
def _no_container_is_left(engine: docker.DockerClient) -> None:
    """However a compilation ends."""
    yield
    compiling = {"label": "mrunkit.role=compile"}
    assert engine.containers.list(all=True, filters=compiling) == []


def test_what_is_compiled_fits_the_image_and_runs_in_it(
    mrunkit: Mrunkit, images: Images, hello: Path, engine: docker.DockerClient
) -> None:
    """In the image without compilers too; flags go to mpicc."""
    words = ("hello.c", "--image", images.compilers, "--", "-O2", "-Wall")
    compiled = mrunkit("compile", *words)
    assert (compiled.returncode, compiled.stdout, compiled.stderr) == (0, "", "")
    inspect_image(engine, images.runtime).require_fit(str(mrunkit.work / "hello"))
    printed = engine.containers.run(
        images.runtime,
        ["mpiexec", "-n", "2", "/work/hello"],
        volumes=[f"{mrunkit.work}:/work"],
        remove=True,
        network_mode="none",
    )
    assert sorted(line.partition(" Running")[0] for line in printed.decode().splitlines()) == [
        "Number of tasks= 2 My rank= 0",
        "Number of tasks= 2 My rank= 1",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("directory", ["plain", "with:colon"])
def test_a_compilation_that_is_ended_leaves_nothing(
    slow_image: str, mrunkit: Mrunkit, hello: Path, number: signal.Signals, directory: str
) -> None:
    """As by a closed terminal; in whatever directory."""
    work = mrunkit.work / directory
    work.mkdir()
    hello.rename(work / "hello.c")
    # Or it would heed that the tests themselves run under nohup, or in the background of a shell.
    before = signal.signal(number, signal.SIG_DFL)
    words = ["compile", "hello.c", "--image", slow_image]
    with subprocess.Popen(
        [sys.executable, "-m", "mrunkit", *words], cwd=work, stdout=subprocess.PIPE, text=True
    ) as compiling:
        signal.signal(number, before)
        assert compiling.stdout is not None
        assert compiling.stdout.readline() == "hello.c\n"
        compiling.send_signal(number)
    assert compiling.returncode == 128 + number


def test_the_output_belongs_to_whoever_compiles(
    mrunkit: Mrunkit, images: Images, hello: Path
) -> None:
    """Whatever user the image has."""
    assert mrunkit("compile", "hello.c", "--image", images.compilers).returncode == 0
    out = (mrunkit.work / "hello").stat()
    assert (out.st_uid, out.st_gid) == (os.getuid(), os.getgid())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to somebody else")
def test_no_file_of_roots_appears_in_a_users_directory(
    mrunkit: Mrunkit, images: Images, hello: Path, engine: docker.DockerClient
) -> None:
    """Compiling takes no more rights than its user has."""
    os.chown(mrunkit.work, 54321, 54322)
    request = compile_request(
        ["hello.c"],
        output=None,
        image=images.compilers,
        workdir=mrunkit.work,
        user="54321:54322",
    )
    said: list[tuple[bytes | None, bytes | None]] = []
    status = compile_in_image(
        engine,
        request,
        client=ProcessIdentity(hostname="here", pid=1, started=1),
        show=lambda out, err: said.append((out, err)),
    )
    assert (status, said) == (0, [])
    out = (mrunkit.work / "hello").stat()
    assert (out.st_uid, out.st_gid) == (54321, 54322)


def test_the_compilers_errors_and_status_are_the_commands(mrunkit: Mrunkit, images: Images) -> None:
    """As mpicc printed them, with the file's name as the user knows it."""
    (mrunkit.work / "bad.c").write_text("int main(void) { return nothing; }\n")
    ended = mrunkit("compile", "bad.c", "--image", images.compilers)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[1].startswith("bad.c:1:25: error: 'nothing' undeclared")
    assert not (mrunkit.work / "bad").exists()


def test_an_image_without_compilers_names_the_target_that_has_them(
    mrunkit: Mrunkit, images: Images, hello: Path
) -> None:
    """Exit status 125, and the command that builds it."""
    ended = mrunkit("compile", "hello.c", "--image", images.runtime)
    assert ended.returncode == 125
    assert "has no compilers" in ended.stderr
    assert "--target compilers" in ended.stderr


def test_without_an_image_nothing_is_guessed(mrunkit: Mrunkit, hello: Path) -> None:
    """Exit status 2, and both ways to name one."""
    ended = mrunkit("compile", "hello.c")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        2,
        [
            "mrunkit: which image will run it?",
            "mrunkit:   name it with --image, or set MRUNKIT_IMAGE",
        ],
    )


def test_a_program_of_another_mpich_runs_with_the_images(
    images: Images, mrunkit: Mrunkit, engine: docker.DockerClient
) -> None:
    """Where MPICH's own name of its library is in the image, as the ABI initiative agreed."""
    # A library of the name that any MPICH but Debian's has, to link against.
    subprocess.run(
        ["gcc", "-shared", "-Wl,-soname,libmpi.so.12", "-o", "libmpi.so", "-x", "c", "-"],
        input="int MPI_Initialized(int *is) { return *is = 1; }",
        text=True,
        cwd=mrunkit.work,
        check=True,
    )
    (mrunkit.work / "abi.c").write_text(
        "int MPI_Initialized(int *);\n"
        "int main(void) { int is = 7; MPI_Initialized(&is); return is; }\n"
    )
    subprocess.run(["gcc", "abi.c", "-o", "abi", "-L.", "-lmpi"], cwd=mrunkit.work, check=True)
    inspect_image(engine, images.runtime).require_fit(str(mrunkit.work / "abi"))
    # Raises for any status but 0, which only the image's own MPICH can have answered.
    engine.containers.run(
        images.runtime,
        ["/work/abi"],
        volumes=[f"{mrunkit.work}:/work"],
        remove=True,
        network_mode="none",
    )
