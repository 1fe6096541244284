"""Images on this machine's engine: what they tell about themselves.

Owns the names of the labels that `images/` puts on them. Building, pushing and distributing
have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrunkit.containers.elf import read_binary
from mrunkit.containers.engine import EngineError, explained
from mrunkit.containers.fit import Environment, misfit
from mrunkit.errors import ProgramNotExecutableError

if TYPE_CHECKING:
    import docker

MPICH_LABEL = "mrunkit.mpich"
"""The version of MPICH."""
LIBC_LABEL = "mrunkit.libc"
"""glibc or musl."""
LIBC_VERSION_LABEL = "mrunkit.libc-version"
"""Of glibc, since programs need one at least as new as where they were compiled."""
MPI_LIBRARIES_LABEL = "mrunkit.mpi-libraries"
"""The names of the MPI libraries, with spaces in between."""

_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")


class MisfitError(ProgramNotExecutableError):
    """The program cannot run in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """An image on this machine."""

    name: str
    """As it was asked for."""
    image_id: str
    """Known to this engine, and to those that the image was loaded into."""
    tags: tuple[str, ...]
    pinned: str
    """NAME@sha256:... where a registry has given it a digest; else a name it goes by."""
    digest: str
    """The registry's sha256:...; empty if no registry has the image."""
    mpich_version: str
    """Empty without label."""
    environment: Environment
    size: int
    """In bytes, unpacked."""
    user: str
    """Empty: root."""
    created: str

    @property
    def libc(self) -> str:
        """glibc or musl; empty without label."""
        return self.environment.libc

    def require_fit(self, program: str) -> None:
        """Raise MisfitError if a program of this machine cannot run in the image.

        Scripts, static programs, and programs that only the agents have, fit.
        """
        binary = read_binary(Path(program))
        reason = None if binary is None else misfit(binary, self.environment)
        if reason is None:
            return
        name = Path(program).name
        raise MisfitError(
            f"{name} cannot run in image {self.name}: it {reason}",
            remedy="compile it in the image: "
            f"mrunkit compile {name}.c --image {self.name} -o {name}",
        )

    def to_json(self) -> dict[str, Any]:
        """All that is known of it."""
        version = ".".join(map(str, self.environment.libc_version))
        return {
            "name": self.name,
            "id": self.image_id,
            "tags": list(self.tags),
            "digest": self.digest,
            "mpich": self.mpich_version,
            "libc": self.environment.libc,
            "libc_version": version,
            "mpi_libraries": sorted(self.environment.mpi_libraries),
            "architecture": self.environment.architecture,
            "size": self.size,
            "user": self.user,
            "created": self.created,
        }


def inspect_image(engine: docker.DockerClient, name: str) -> ImageInfo:
    """What Docker knows of an image on this machine; raises EngineError if it has none."""
    import docker.errors

    with explained(image=name, network=""):
        try:
            found: dict[str, Any] = engine.images.get(name).attrs
        except docker.errors.ImageNotFound as error:
            raise EngineError(
                f"there is no image {name} on this machine", remedy=_remedy_for_missing(name)
            ) from error
    return image_info(name, found)


def list_images(engine: docker.DockerClient) -> list[ImageInfo]:
    """All images with MPICH, once for each of their tags, by name."""
    with explained(image="", network=""):
        filters: dict[str, str | bool] = {"label": MPICH_LABEL, "dangling": False}
        found = [image.attrs for image in engine.images.list(filters=filters)]
    infos = [image_info(tag, attrs) for attrs in found for tag in attrs["RepoTags"] or ()]
    return sorted(infos, key=lambda info: info.name)


def image_info(name: str, found: Mapping[str, Any]) -> ImageInfo:
    """Parse what Docker tells of an image. Source: Docker's API, image inspection."""
    config = found.get("Config") or {}
    labels = config.get("Labels") or {}
    tags = tuple(found.get("RepoTags") or ())
    pinned = pinned_name(name, tags, found.get("RepoDigests") or ())
    return ImageInfo(
        name=name,
        image_id=found["Id"],
        tags=tags,
        pinned=pinned,
        digest=pinned.partition("@")[2],
        mpich_version=labels.get(MPICH_LABEL, ""),
        environment=Environment(
            architecture=found.get("Architecture", ""),
            libc=labels.get(LIBC_LABEL, ""),
            libc_version=_version(labels.get(LIBC_VERSION_LABEL, "")),
            mpi_libraries=frozenset(labels.get(MPI_LIBRARIES_LABEL, "").split()),
        ),
        size=found["Size"],
        user=config.get("User") or "",
        created=found.get("Created") or "",
    )


def pinned_name(name: str, tags: Iterable[str], digests: Iterable[str]) -> str:
    """The most exact name under which other hosts can know an image.

    Only a digest of the same repository counts: under another name the image may have come
    to the hosts without a registry, and then their engines know no digest. An id means
    nothing to a registry, so a tag takes its place.
    """
    if "@" in name:
        return name
    digests = list(digests)
    is_id = _ID.fullmatch(name) is not None
    same = [text for text in digests if is_id or text.partition("@")[0] == repository(name)]
    if same:
        return same[0]
    return next(iter(tags), name) if is_id else name


def repository(name: str) -> str:
    """An image's name without its tag: a colon before a slash belongs to a port."""
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _remedy_for_missing(name: str) -> str:
    known = re.match(r"mrunkit/(alpine|debian)(:|$)", name)
    if known is not None:
        target = " --target runtime" if "runtime" in name else ""
        return f"make it: mrunkit image build {known[1]} --tag {name}{target}"
    return f"pull it: docker pull {name}; or make one: mrunkit image build debian"
