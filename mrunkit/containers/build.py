"""Building the images of `images/`, which come with the installed package too."""

from __future__ import annotations

import re
import tomllib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import mrunkit
from mrunkit.containers.engine import explained
from mrunkit.containers.explain import explain_failure
from mrunkit.errors import MrunkitError, UsageError

if TYPE_CHECKING:
    import docker

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_DEFAULT = re.compile(r"ARG (\w+)=(.*)")
_COLOUR = re.compile(r"\x1b\[\d*m")
_LINES_SHOWN = 30
"""Of the output of what failed."""


class Distribution(Enum):
    """The images there are."""

    ALPINE = "alpine"
    DEBIAN = "debian"


class Target(Enum):
    """The variants of each image."""

    COMPILERS = "compilers"
    """Compiles programs and runs them."""
    RUNTIME = "runtime"
    """Only runs them: smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What `docker build` gets."""

    dockerfile: str
    """Below the directory of images."""
    tag: str
    target: str | None
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """An instruction of the Dockerfile has begun."""

    number: int
    total: int
    instruction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutput:
    """An instruction has printed a line."""

    line: str


class BuildError(MrunkitError):
    """The image could not be built."""


def images_directory() -> Path:
    """Where the Dockerfiles are: in the installed package, or beside it in a checkout."""
    package = Path(mrunkit.__file__).parent
    for directory in (package / "images_data", package.parent / "images"):
        if (directory / "versions.toml").is_file():
            return directory
    raise BuildError(
        f"the Dockerfiles are neither in {package} nor beside it",
        remedy="install mrunkit again, or run docker build in a checkout of its repository",
    )


def read_versions(directory: Path) -> dict[str, str]:
    """The versions of MPICH that the Alpine image can have, with their sources' sha256."""
    table: dict[str, str] = tomllib.loads((directory / "versions.toml").read_text())["alpine"]
    return table


def build_request(
    distribution: Distribution,
    target: Target,
    versions: Mapping[str, str],
    *,
    tag: str | None,
    mpich_version: str | None,
    base_image: str | None,
) -> BuildRequest:
    """Put a request together; raises UsageError for a version that cannot be had."""
    arguments = {} if base_image is None else {"BASE_IMAGE": base_image}
    if mpich_version is not None:
        arguments |= _version_arguments(distribution, mpich_version, versions)
    return BuildRequest(
        dockerfile=f"{distribution.value}/Dockerfile",
        tag=tag or default_tag(distribution, target, mpich_version),
        # With compilers is the Dockerfiles' last stage, which has no name.
        target=target.value if target is Target.RUNTIME else None,
        arguments=arguments,
    )


def default_tag(distribution: Distribution, target: Target, mpich_version: str | None) -> str:
    """`mrunkit/alpine`, `mrunkit/alpine:runtime`, `mrunkit/alpine:4.1.2-runtime`."""
    parts = [mpich_version] if mpich_version else []
    parts += [target.value] if target is Target.RUNTIME else []
    return f"mrunkit/{distribution.value}" + (f":{'-'.join(parts)}" if parts else "")


def _version_arguments(
    distribution: Distribution, version: str, versions: Mapping[str, str]
) -> dict[str, str]:
    if distribution is Distribution.DEBIAN:
        raise UsageError(
            f"--mpich-version {version}: the debian image has the MPICH that Debian packages",
            remedy=f"take the alpine image, which compiles any of {', '.join(versions)}",
        )
    if version not in versions:
        raise UsageError(
            f"--mpich-version {version}: no checksum of its source is known here",
            remedy=f"known are {', '.join(versions)}; for others: docker build "
            "--build-arg MPICH_VERSION=... --build-arg MPICH_SHA256=...",
        )
    return {"MPICH_VERSION": version, "MPICH_SHA256": versions[version]}


def build(
    engine: docker.DockerClient, directory: Path, request: BuildRequest
) -> Iterator[BuildStep | BuildOutput]:
    """Build an image, telling how it goes; raises BuildError with what failed."""
    with explained(image=request.tag, network=""):
        chunks = engine.api.build(
            path=str(directory),
            dockerfile=request.dockerfile,
            tag=request.tag,
            target=request.target,
            buildargs=dict(request.arguments),
            labels={},
            rm=True,
            forcerm=True,
            decode=True,
        )
        yield from build_events(chunks, request.arguments)


def build_events(
    chunks: Iterable[Mapping[str, Any]], arguments: Mapping[str, str]
) -> Iterator[BuildStep | BuildOutput]:
    """Parse what Docker tells of a build. Source: Docker's API, build an image."""
    step = BuildStep(number=0, total=0, instruction="")
    defaults: dict[str, str] = {}
    tail: deque[str] = deque(maxlen=_LINES_SHOWN)
    rest = ""
    for chunk in chunks:
        if "error" in chunk:
            raise _build_error(str(chunk["error"]), step, tail, {**defaults, **arguments})
        # Its pieces end anywhere, and stderr comes in red.
        *lines, rest = (rest + _COLOUR.sub("", str(chunk.get("stream", "")))).split("\n")
        for line in lines:
            if found := _STEP.fullmatch(line.strip()):
                instruction = " ".join(found[3].split())
                step = BuildStep(number=int(found[1]), total=int(found[2]), instruction=instruction)
                tail.clear()
                if default := _DEFAULT.fullmatch(instruction):
                    defaults[default[1]] = default[2].strip('"')
                yield step
            elif line.strip() and not line.lstrip().startswith("--->"):
                tail.append(line.rstrip())
                yield BuildOutput(line=line.rstrip())


def _build_error(
    said: str, step: BuildStep, tail: Iterable[str], arguments: Mapping[str, str]
) -> BuildError:
    words = step.instruction.split()
    if words[:1] == ["FROM"]:
        # Twice, since a base's default names its version by another argument.
        base = Template(Template(words[1]).safe_substitute(arguments)).safe_substitute(arguments)
        known = explain_failure(said, image=base, network="")
        return BuildError(
            known.message if known is not None else f"there is no base image {base}: {said}",
            remedy="name another with --base-image; where none can be pulled, "
            f"{images_directory()}/debian/make-base.sh makes one and prints its name",
        )
    where = f"step {step.number} of {step.total} failed: {step.instruction}" if words else "failed"
    return BuildError("\n".join([*tail, where, said.strip()]))
