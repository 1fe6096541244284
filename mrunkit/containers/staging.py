"""The program and working directory of a job, as its containers see them.

Owns the staging directory below the share, from its making to its removal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mrunkit.containers.options import SHARE_IN_CONTAINER, STAGING_PREFIX, ContainerOptions
from mrunkit.errors import MrunkitError
from mrunkit.local.owner import DIRECTORY_PREFIX as CLUSTER_PREFIX
from mrunkit.local.owner import OWNER_FILE as CLUSTER_FILE
from mrunkit.process_identity import ProcessIdentity

OWNER_FILE = ".client"
"""In a staging directory: the identity of the client that made it."""
PRIVATE_PREFIX = "mrunkit-share-"
"""Of shares for jobs on this machine only, in the directory for temporary files."""
LONGEST_OWNER = 512
"""Bytes that are read of a file that should hold an identity, and may be somebody else's."""


class StagingError(MrunkitError):
    """The program cannot be brought to where the containers see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Where a job's files are."""

    share: str
    """On the hosts; mounted in the containers."""
    program: str
    """In the container."""
    workdir: str
    """In the container."""
    directory: Path | None
    """The staging directory on this host; None if nothing was staged."""

    def remove(self) -> None:
        """Remove what was staged."""
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)


def stage(
    program: str, workdir: str, options: ContainerOptions, *, job_id: str, client: ProcessIdentity
) -> Staged:
    """Bring a program to the share, unless it is there or in the image; raises StagingError.

    `workdir` stays the working directory if it is on the share.
    """
    share, directory = _share(options, job_id)
    here = Path(program)
    seen_program = program if options.is_in_image else in_container(here, share)
    seen_workdir = in_container(Path(workdir), share)
    if seen_program is not None and seen_workdir is not None:
        return Staged(share=str(share), program=seen_program, workdir=seen_workdir, directory=None)
    try:
        if directory != share:
            directory.mkdir()
        try:
            (directory / OWNER_FILE).write_text(f"{client}\n")
            if seen_program is None:
                shutil.copy(here, directory / here.name)
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
    except OSError as error:
        raise StagingError(
            f"cannot stage {here.name} in {directory}: {error.strerror}",
            remedy="put the program on the share yourself, or into the image (--in-image)",
        ) from error
    seen_directory = in_container(directory, share)
    assert seen_directory is not None, "the staging directory is on the share"
    return Staged(
        share=str(share),
        program=seen_program or f"{seen_directory}/{here.name}",
        workdir=seen_workdir or seen_directory,
        directory=directory,
    )


def _share(options: ContainerOptions, job_id: str) -> tuple[Path, Path]:
    """The share and the job's directory on it, which is yet to be made; raises StagingError.

    Not in a directory that jobs have in common: whose that is could exchange others' programs.
    """
    if options.share is None:
        private = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX))
        # For the user in the containers, who may be another one (--user).
        private.chmod(0o755)
        return private, private
    share = Path(options.share)
    if not share.is_dir():
        raise StagingError(
            f"there is no share {share} here",
            remedy="name the directory that all hosts have with --share",
        )
    return share, share / f"{STAGING_PREFIX}{job_id}"


def in_container(path: Path, share: Path) -> str | None:
    """Where a path on the share is in the containers; None if it is not on the share."""
    path, share = path.resolve(), share.resolve()
    if not path.is_relative_to(share):
        return None
    return str(PurePosixPath(SHARE_IN_CONTAINER, path.relative_to(share)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedDirectory:
    """A directory of a job or a local cluster, whether or not that is over."""

    path: Path
    client: ProcessIdentity | None
    """Who made it; None if that was never written down."""
    made: float
    """When, in seconds since 1970."""


def staging_directories(shares: Iterable[Path]) -> list[OwnedDirectory]:
    """All staging directories on these shares, and those of this machine alone."""
    paths = [path for share in shares for path in sorted(share.glob(f"{STAGING_PREFIX}*/"))]
    return _owned([*paths, *_temporary(PRIVATE_PREFIX)], OWNER_FILE)


def cluster_directories() -> list[OwnedDirectory]:
    """The directories of local clusters of this machine."""
    return _owned(_temporary(CLUSTER_PREFIX), CLUSTER_FILE)


def _temporary(prefix: str) -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob(f"{prefix}*/"))


def _owned(paths: Iterable[Path], owner_file: str) -> list[OwnedDirectory]:
    found = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # its owner has ended meanwhile
            seen = path.lstat()
            # Others may write where we look: theirs we cannot remove, and a link leads anywhere.
            if stat.S_ISDIR(seen.st_mode) and os.geteuid() in (seen.st_uid, 0):
                client = _owner(path / owner_file)
                found.append(OwnedDirectory(path=path, client=client, made=seen.st_mtime))
    return found


def _owner(file: Path) -> ProcessIdentity | None:
    def opener(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    try:
        with open(file, "rb", opener=opener) as opened:
            text = opened.read(LONGEST_OWNER)
    except OSError:
        return None
    return ProcessIdentity.parse(text.decode(errors="replace").strip())
