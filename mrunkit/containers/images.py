"""Images on this machine's engine: what they tell about themselves.

Owns the names of the labels that `images/` puts on them. Building, pushing and distributing
have modules of their own.
"""

from __future__ import annotations

import contextlib
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

_SHIPPED = "mrunkit-"
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
    """The most exact name under which hosts know it: see `pinned_name`."""
    digest: str
    """The registry's sha256:...; empty if no registry has the image."""
    environment: Environment
    size: int
    """In bytes, unpacked."""
    user: str
    """Empty: root."""
    created: str

    @property
    def mpich_version(self) -> str:
        """Of its mpiexec; empty without label."""
        return self.environment.mpich_version

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
    infos = [
        image_info(tag, attrs)
        for attrs in found
        for tag in attrs["RepoTags"] or ()
        if not _is_shipped(tag)
    ]
    return sorted(infos, key=lambda info: info.name)


def image_info(name: str, found: Mapping[str, Any]) -> ImageInfo:
    """Parse what Docker tells of an image. Source: Docker's API, image inspection."""
    config = found.get("Config") or {}
    labels = config.get("Labels") or {}
    tags = tuple(found.get("RepoTags") or ())
    pinned = pinned_name(name, found["Id"], tags, found.get("RepoDigests") or ())
    return ImageInfo(
        name=name,
        image_id=found["Id"],
        tags=tuple(tag for tag in tags if not _is_shipped(tag)),
        pinned=pinned,
        digest=_digest(name, found.get("RepoDigests") or ()).partition("@")[2],
        environment=Environment(
            architecture=found.get("Architecture", ""),
            libc=labels.get(LIBC_LABEL, ""),
            libc_version=_version(labels.get(LIBC_VERSION_LABEL, "")),
            mpich_version=labels.get(MPICH_LABEL, ""),
            mpi_libraries=frozenset(labels.get(MPI_LIBRARIES_LABEL, "").split()),
        ),
        size=found["Size"],
        user=config.get("User") or "",
        created=found.get("Created") or "",
    )


def pinned_name(name: str, image_id: str, tags: Iterable[str], digests: Iterable[str]) -> str:
    """The most exact name under which other hosts can know an image.

    If it was distributed, the tag that says so, on this machine as on the hosts: a registry's
    digest means nothing to an engine that did not get the image from there. Else the digest,
    of the same repository only, since under another name it may have come without a registry.
    An id means nothing to a registry, so a tag takes its place.
    """
    if "@" in name:
        return name
    tags = list(tags)
    is_id = _ID.fullmatch(name) is not None
    for tag in tags:
        if tag == shipped_name(tag, image_id) and (is_id or repository(tag) == repository(name)):
            return tag
    named = [tag for tag in tags if not _is_shipped(tag)]
    return _digest(name, digests) or (next(iter(named), name) if is_id else name)


def shipped_name(name: str, image_id: str) -> str:
    """The tag of an image that was distributed: it names the content, so it never moves."""
    return f"{repository(name)}:{_SHIPPED}{short_id(image_id)}"


def short_id(image_id: str) -> str:
    """An image's id as Docker shows it."""
    return image_id.removeprefix("sha256:")[:12]


def mark_shipped(engine: docker.DockerClient, image: ImageInfo) -> None:
    """Note that hosts have the image under its `shipped_name`."""
    with explained(image=image.name, network=""):
        shipped = shipped_name(image.name, image.image_id)
        engine.api.tag(image.image_id, repository(shipped), tag=shipped.rpartition(":")[2])


def unmark_shipped(engine: docker.DockerClient, image: ImageInfo) -> None:
    """Note that a registry has the image: hosts can pull it by its digest."""
    import docker.errors

    with explained(image=image.name, network=""), contextlib.suppress(docker.errors.ImageNotFound):
        engine.api.remove_image(shipped_name(image.name, image.image_id), noprune=True)


def _digest(name: str, digests: Iterable[str]) -> str:
    """REPOSITORY@sha256:... of the repository that was named; empty if no registry has it."""
    is_id = _ID.fullmatch(name) is not None
    of_name = name.partition("@")[0] if "@" in name else repository(name)
    return next((it for it in digests if is_id or it.partition("@")[0] == of_name), "")


def _is_shipped(tag: str) -> bool:
    return tag.rpartition(":")[2].startswith(_SHIPPED)


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
