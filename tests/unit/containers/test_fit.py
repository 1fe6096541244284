"""Which programs are refused by which images, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mrunkit.containers.elf import Binary
from mrunkit.containers.fit import Environment, misfit

DEBIAN = Environment(
    architecture="amd64",
    libc="glibc",
    libc_version=(2, 41),
    mpich_version="4.2.1",
    mpi_libraries=frozenset({"libmpi.so.12", "libmpich.so.12"}),
)
ALPINE = Environment(architecture="amd64", libc="musl", mpi_libraries=frozenset({"libmpi.so.12"}))
UNKNOWN = Environment(architecture="amd64")

GLIBC = Binary(
    machine="EM_X86_64",
    interpreter="/lib64/ld-linux-x86-64.so.2",
    libraries=("libmpich.so.12", "libc.so.6"),
    glibc=(2, 34),
)
MUSL = Binary(
    machine="EM_X86_64",
    interpreter="/lib/ld-musl-x86_64.so.1",
    libraries=("libmpi.so.12", "libc.musl-x86_64.so.1"),
)
STATIC = Binary(machine="EM_X86_64")
OPEN_MPI = replace(GLIBC, libraries=("libmpi.so.40", "libc.so.6"))


@pytest.mark.parametrize(
    ("binary", "image", "reason"),
    [
        (GLIBC, ALPINE, "was compiled for glibc, and the image has musl"),
        (MUSL, DEBIAN, "was compiled for musl, and the image has glibc"),
        (
            replace(GLIBC, glibc=(2, 100)),
            DEBIAN,
            "was compiled for glibc 2.100, and the image has 2.41",
        ),
        (
            OPEN_MPI,
            DEBIAN,
            "needs the MPI library libmpi.so.40, and the image has libmpi.so.12, libmpich.so.12",
        ),
        (
            replace(OPEN_MPI, search_path=("/opt/openmpi/lib", "/shared/lib")),
            DEBIAN,
            "needs the MPI library libmpi.so.40, and the image has libmpi.so.12, libmpich.so.12",
        ),
        (
            replace(GLIBC, search_path=("/share/mpich/4.0.2-9c4f2836/lib",)),
            DEBIAN,
            "was compiled with the hosts' MPICH 4.0.2 and takes its library, "
            "and the image has MPICH 4.2.1",
        ),
        (
            replace(GLIBC, machine="EM_AARCH64"),
            DEBIAN,
            "is for aarch64 machines, and the image for amd64",
        ),
        (
            replace(STATIC, machine="EM_AARCH64"),
            DEBIAN,
            "is for aarch64 machines, and the image for amd64",
        ),
        (
            replace(GLIBC, machine="EM_386"),
            DEBIAN,
            "is for 386 machines, and the image for amd64",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(
    binary: Binary, image: Environment, reason: str
) -> None:
    """C library, its age, MPI library and machine are told apart."""
    assert misfit(binary, image) == reason


@pytest.mark.parametrize(
    ("binary", "image"),
    [
        (GLIBC, DEBIAN),
        (MUSL, ALPINE),
        (STATIC, DEBIAN),
        (STATIC, ALPINE),
        (replace(STATIC, machine="EM_386"), DEBIAN),
        (replace(GLIBC, glibc=(2, 41)), DEBIAN),
        (replace(GLIBC, glibc=(2, 41)), replace(DEBIAN, libc_version=())),
        # An image without labels may have anything.
        (GLIBC, UNKNOWN),
        (MUSL, UNKNOWN),
        (OPEN_MPI, UNKNOWN),
        (replace(GLIBC, machine="EM_AARCH64"), Environment(architecture="of next year")),
        # These bring their own library, or look on the share for it.
        (replace(OPEN_MPI, search_path=("$ORIGIN/../lib",)), DEBIAN),
        (replace(OPEN_MPI, search_path=("/usr/lib", "/share/openmpi/lib")), DEBIAN),
        (replace(GLIBC, search_path=("/share/mpich/4.2.1-9c4f2836/lib",)), DEBIAN),
        (replace(GLIBC, search_path=("/share/mpich/4.0.2-9c4f2836/lib",)), UNKNOWN),
        (
            replace(
                GLIBC, libraries=("libc.so.6",), search_path=("/share/mpich/4.0.2-9c4f2836/lib",)
            ),
            DEBIAN,
        ),
        # Not MPI's own library, though its name begins like it.
        (replace(GLIBC, libraries=("libmpimath.so.1", "libmpfr.so.6")), DEBIAN),
        # Another system's loader is nothing that we know of.
        (replace(MUSL, interpreter="/lib/ld-uClibc.so.0"), DEBIAN),
    ],
)
def test_what_may_run_is_not_refused(binary: Binary, image: Environment) -> None:
    """There are no false refusals: doubt is in favour of the program."""
    assert misfit(binary, image) is None
