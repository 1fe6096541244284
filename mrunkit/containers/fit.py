"""Whether a compiled program can run in an image. Pure.

Refuses only what is sure to fail: what an image does not tell about itself fits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from mrunkit.containers.elf import Binary
from mrunkit.containers.options import SHARE_IN_CONTAINER

_MACHINES: dict[str, tuple[str, str]] = {
    "386": ("EM_386", ""),
    "amd64": ("EM_X86_64", "EM_386"),
    "arm": ("EM_ARM", ""),
    "arm64": ("EM_AARCH64", "EM_ARM"),
    "ppc64le": ("EM_PPC64", ""),
    "riscv64": ("EM_RISCV", ""),
    "s390x": ("EM_S390", ""),
}
"""Docker's name of an architecture to ELF's, and what else the kernel runs if it is static."""

_OF_LAB = re.compile(rf"{SHARE_IN_CONTAINER}/mpich/(?P<version>[^/]+)-[0-9a-f]{{8}}/lib")
"""Where bootstrap puts an MPICH that it has built for the hosts; see the role mpich."""
_MPI_LIBRARY = re.compile(r"libmpi(ch)?(_?(cxx|fort|mpifh|usempif08))?\.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What an image offers to programs; what it does not tell is empty."""

    architecture: str = ""
    """As Docker names it: amd64."""
    libc: str = ""
    """glibc or musl."""
    libc_version: tuple[int, ...] = ()
    mpich_version: str = ""
    mpi_libraries: frozenset[str] = frozenset()
    """All names under which MPI libraries are found: libmpi.so.12."""


def misfit(binary: Binary, image: Environment) -> str | None:
    """Say why a program cannot run in an image, as the end of a sentence; None if it may."""
    native, static_only = _MACHINES.get(image.architecture, (binary.machine, ""))
    if binary.machine != native and (binary.interpreter or binary.machine != static_only):
        return f"is for {_plain(binary.machine)} machines, and the image for {image.architecture}"
    if binary.libc and image.libc and binary.libc != image.libc:
        return f"was compiled for {binary.libc}, and the image has {image.libc}"
    if image.libc == "glibc" and image.libc_version and binary.glibc > image.libc_version:
        return (
            f"was compiled for glibc {_dotted(binary.glibc)}, "
            f"and the image has {_dotted(image.libc_version)}"
        )
    of_lab = _lab_mpich(binary)
    if of_lab and image.mpich_version and of_lab != image.mpich_version:
        return (
            f"was compiled with the hosts' MPICH {of_lab} and takes its library, "
            f"and the image has MPICH {image.mpich_version}"
        )
    missing = [name for name in binary.libraries if _is_missing(name, image)]
    if missing and not _brings_libraries(binary):
        return (
            f"needs the MPI library {missing[0]}, and the image has "
            f"{', '.join(sorted(image.mpi_libraries))}"
        )
    return None


def _lab_mpich(binary: Binary) -> str:
    """The version of a lab's own MPICH, if the program takes its library from there."""
    if not any(_MPI_LIBRARY.match(name) for name in binary.libraries):
        return ""
    found = (_OF_LAB.fullmatch(entry) for entry in binary.search_path)
    return next((match["version"] for match in found if match), "")


def _is_missing(library: str, image: Environment) -> bool:
    is_mpi = _MPI_LIBRARY.match(library) is not None
    return is_mpi and bool(image.mpi_libraries) and library not in image.mpi_libraries


def _brings_libraries(binary: Binary) -> bool:
    """Whether it looks for libraries beside itself or on the share, which no image can know."""
    return any(
        "$ORIGIN" in entry
        or "${ORIGIN}" in entry
        or PurePosixPath(entry).is_relative_to(SHARE_IN_CONTAINER)
        for entry in binary.search_path
    )


def _plain(machine: str) -> str:
    return machine.removeprefix("EM_").lower().replace("_", "-")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
