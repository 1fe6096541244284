"""Compiling a program with the mpicc of the image that will run it.

The compiler sees the current directory and those of the sources at their own paths, so that
its messages name files as the user knows them. It runs as the user, to whom what it writes
then belongs.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.options import CLIENT_LABEL, JOB_LABEL, ROLE_LABEL
from mrunkit.errors import UsageError
from mrunkit.process_identity import ProcessIdentity

if TYPE_CHECKING:
    import docker

_OF_THE_IMAGE = frozenset(
    Path("/", name)
    for name in (
        *("", "bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys"),
        *("usr", "usr/bin", "usr/include", "usr/lib", "usr/libexec", "usr/local"),
        *("usr/local/bin", "usr/local/include", "usr/local/lib"),
    )
)
"""Directories that the compiler needs as the image has them."""
_SOURCES = frozenset({".c", ".cc", ".cpp", ".cxx", ".f", ".f90", ".o", ".s", ".S"})
_STOPS_EARLY = frozenset({"-c", "-E", "-S", "-M", "-MM", "-fsyntax-only"})
"""Flags with which mpicc names its output itself, or has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """What mpicc is run with."""

    image: str
    words: tuple[str, ...]
    workdir: Path
    mounts: tuple[Path, ...]
    user: str
    """UID:GID"""


def compile_request(
    words: Sequence[str], *, output: str | None, image: str, workdir: Path, user: str
) -> CompileRequest:
    """Decide on arguments and mounts; raises UsageError for sources that are not there.

    `words` are sources and flags, in mpicc's own order.
    """
    sources = [word for word in words if Path(word).suffix in _SOURCES and word[0] != "-"]
    if output is None and sources and not _STOPS_EARLY.intersection(words):
        output = Path(sources[0]).stem
    problems = [
        f"there is no file {source}" for source in sources if not (workdir / source).is_file()
    ]
    if not sources:
        problems.append("there is nothing to compile: name a file.c")
    if output is not None and not (workdir / output).parent.is_dir():
        problems.append(f"-o {output}: there is no such directory")
    if problems:
        raise UsageError("\n".join(problems))
    return CompileRequest(
        image=image,
        words=(*words, *(("-o", output) if output is not None else ())),
        workdir=workdir,
        mounts=_mounts(workdir, [*sources, *([output] if output is not None else [])]),
        user=user,
    )


def _mounts(workdir: Path, files: Sequence[str]) -> tuple[Path, ...]:
    """Where the files are, as they are named and behind links; raises UsageError."""
    named = [Path(os.path.normpath(workdir / file)).parent for file in files]
    linked = [(workdir / file).resolve().parent for file in files]
    mounts = _outermost([workdir, *named, *linked])
    for mount in mounts:
        if mount in _OF_THE_IMAGE:
            raise UsageError(
                f"cannot compile in {mount}, where the image has its own files",
                remedy="copy the source to a directory of its own",
            )
    return mounts


def _outermost(directories: Sequence[Path]) -> tuple[Path, ...]:
    """Without those that are in another."""
    found = dict.fromkeys(directories)
    return tuple(
        path
        for path in found
        if not any(path != other and path.is_relative_to(other) for other in found)
    )


def container_options(request: CompileRequest, client: ProcessIdentity) -> dict[str, Any]:
    """The body of the request that creates the container. Pure."""
    return {
        "Image": request.image,
        "Entrypoint": ["mpicc"],
        "Cmd": list(request.words),
        "User": request.user,
        "WorkingDir": str(request.workdir),
        "Env": ["HOME=/tmp"],
        "Labels": {JOB_LABEL: "compile", ROLE_LABEL: "compile", CLIENT_LABEL: str(client)},
        "HostConfig": {
            # Not as "Binds", which end a path at its first colon.
            "Mounts": [
                {"Type": "bind", "Source": str(path), "Target": str(path)}
                for path in request.mounts
            ],
            "NetworkMode": "none",
            "SecurityOpt": ["no-new-privileges"],
        },
    }


def compile_in_image(
    engine: docker.DockerClient,
    request: CompileRequest,
    *,
    client: ProcessIdentity,
    show: Callable[[bytes | None, bytes | None], None],
) -> int:
    """Run mpicc; `show` gets its stdout and stderr as they come. Returns its status."""
    import docker.errors

    api = engine.api
    # Chosen here, so that it is removed also if we are ended before the engine has answered.
    name = f"mrunkit-compile-{uuid.uuid4().hex}"
    with explained(image=request.image, network=""):
        try:
            api.create_container_from_config(  # type: ignore[no-untyped-call]
                container_options(request, client), name=name
            )
            output: Any = api.attach(name, stream=True, demux=True)
            api.start(name)
            for stdout, stderr in output:
                show(stdout, stderr)
            # The SDK leaves the connection open; its own close() does half of it.
            output._response.close()
            status: int = api.wait(name)["StatusCode"]
        except docker.errors.APIError as error:
            if "executable file not found" not in str(error):
                raise
            raise EngineError(
                f"image {request.image} has no compilers: there is no mpicc in it",
                remedy="take the same image with compilers, which is the one without "
                '"runtime" in its name, or make it: mrunkit image build debian --target compilers',
            ) from error
        finally:
            with contextlib.suppress(docker.errors.NotFound):
                api.remove_container(name, force=True, v=True)
    return status
