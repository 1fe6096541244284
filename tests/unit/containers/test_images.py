"""What an image tells about itself, and the name under which other hosts know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrunkit.containers.images import ImageInfo, MisfitError, image_info, pinned_name, repository

ID = "sha256:ac4654d1d03d15de10a2cb4c0215b93fe9b3f6c1212ffd3f4d441c0f5c7c01a5"
SHIPPED = "r:5000/mpi:mrunkit-ac4654d1d03d"
DIGEST = "sha256:9f1b6a3f0f4b8c1e5d7a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70"


def inspected(**labels: str) -> dict[str, object]:
    """The parts of Docker's answer that count, as Docker 20.10 gave them."""
    return {
        "Id": ID,
        "RepoTags": ["mrunkit/debian:test"],
        "RepoDigests": [],
        "Created": "2026-11-22T19:28:24.916306558Z",
        "Config": {"User": "1000:1000", "Labels": labels or None},
        "Architecture": "amd64",
        "Size": 564416115,
    }


def test_labels_tell_what_is_inside() -> None:
    """Version, C library and MPI libraries come from the labels of images/."""
    info = image_info(
        "mrunkit/debian:test",
        inspected(
            **{
                "mrunkit.mpich": "4.2.1",
                "mrunkit.libc": "glibc",
                "mrunkit.libc-version": "2.41",
                "mrunkit.mpi-libraries": "libmpi.so.12 libmpich.so.12",
            }
        ),
    )
    assert info.to_json() == {
        "name": "mrunkit/debian:test",
        "id": ID,
        "tags": ["mrunkit/debian:test"],
        "digest": "",
        "mpich": "4.2.1",
        "libc": "glibc",
        "libc_version": "2.41",
        "mpi_libraries": ["libmpi.so.12", "libmpich.so.12"],
        "architecture": "amd64",
        "size": 564416115,
        "user": "1000:1000",
        "created": "2026-11-22T19:28:24.916306558Z",
    }


def test_an_image_without_labels_tells_nothing_and_still_is_one() -> None:
    """Anybody's image can be used."""
    info = image_info("mrunkit/debian:test", inspected())
    assert (info.mpich_version, info.libc, info.environment.mpi_libraries) == ("", "", frozenset())


@pytest.mark.parametrize(
    ("name", "tags", "digests", "expected"),
    [
        ("r:5000/mpi:1", ["r:5000/mpi:1"], [f"r:5000/mpi@{DIGEST}"], f"r:5000/mpi@{DIGEST}"),
        ("r:5000/mpi", ["r:5000/mpi:latest"], [f"r:5000/mpi@{DIGEST}"], f"r:5000/mpi@{DIGEST}"),
        (f"mpi@{DIGEST}", [], [f"mpi@{DIGEST}"], f"mpi@{DIGEST}"),
        # No registry has it.
        ("mpi:1", ["mpi:1"], [], "mpi:1"),
        # Distributed under a name of its own: hosts know no digest of it.
        ("mpi:1", ["mpi:1", "r:5000/mpi:1"], [f"r:5000/mpi@{DIGEST}"], "mpi:1"),
        # An id means nothing elsewhere.
        (ID, ["mpi:1"], [], "mpi:1"),
        (ID[7:19], ["mpi:1"], [f"mpi@{DIGEST}"], f"mpi@{DIGEST}"),
        (ID, [], [], ID),
        # Pushed, then distributed: the hosts got it without the registry's digest.
        ("r:5000/mpi:1", ["r:5000/mpi:1", SHIPPED], [f"r:5000/mpi@{DIGEST}"], SHIPPED),
        (ID[:19], ["r:5000/mpi:1", SHIPPED], [f"r:5000/mpi@{DIGEST}"], SHIPPED),
        # Distributed under another name, or as it was before.
        ("mpi:1", ["mpi:1", SHIPPED], [], "mpi:1"),
        ("mpi:1", ["mpi:1", "mpi:mrunkit-000000000000"], [], "mpi:1"),
        (ID, ["mpi:mrunkit-000000000000", "mpi:1"], [], "mpi:1"),
    ],
)
def test_pinned_name_is_what_other_hosts_can_resolve(
    name: str, tags: list[str], digests: list[str], expected: str
) -> None:
    """A digest of the repository that was named, else a name; an id only if there is nothing."""
    assert pinned_name(name, ID, tags, digests) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mpi", "mpi"),
        ("mpi:1", "mpi"),
        ("r:5000/mpi", "r:5000/mpi"),
        ("r:5000/mpi:1", "r:5000/mpi"),
    ],
)
def test_a_registrys_port_is_no_tag(name: str, expected: str) -> None:
    """Both come after a colon."""
    assert repository(name) == expected


def alpine() -> ImageInfo:
    """An image that runs no program of this machine, unless it is static."""
    return image_info("mrunkit/alpine", inspected(**{"mrunkit.libc": "musl"}))


def test_a_misfit_is_refused_with_the_command_that_mends_it() -> None:
    """The message can be acted on as it stands; nothing was launched."""
    with pytest.raises(MisfitError) as refused:
        alpine().require_fit("/bin/sh")
    assert (str(refused.value), refused.value.remedy) == (
        "sh cannot run in image mrunkit/alpine: it was compiled for glibc, and the image has musl",
        "compile it in the image: mrunkit compile sh.c --image mrunkit/alpine -o sh",
    )


def test_a_script_fits_everywhere(tmp_path: Path) -> None:
    """Its interpreter is the image's matter."""
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env python3\n")
    alpine().require_fit(str(script))
