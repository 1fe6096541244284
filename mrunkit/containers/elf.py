"""What a compiled program asks of the system it runs on, read from its ELF file.

Decides nothing: `fit.py` holds it against an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_MUSL = re.compile(r"ld-musl-")
_GLIBC = re.compile(r"ld-linux|ld64?\.so\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A program's requirements."""

    machine: str
    """As ELF names it: EM_X86_64."""
    interpreter: str = ""
    """The dynamic loader; empty if the program is static."""
    libraries: tuple[str, ...] = ()
    """Names of the shared libraries that it needs itself: libmpi.so.12."""
    search_path: tuple[str, ...] = ()
    """Where it looks for them first: its RPATH and RUNPATH."""
    glibc: tuple[int, ...] = ()
    """The oldest glibc that has all it needs: (2, 34); empty if it needs none."""

    @property
    def libc(self) -> str:
        """Which C library its loader belongs to: "glibc", "musl", or "" for none we know."""
        name = Path(self.interpreter).name
        if _MUSL.match(name):
            return "musl"
        return "glibc" if _GLIBC.match(name) else ""


def read_binary(path: Path) -> Binary | None:
    """Read a program's requirements; None if it is not here or no (readable) ELF file."""
    # Takes 0.1 s, which programs in the image need not pay.
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as file:
            return _binary(ELFFile(file))
    except (ELFError, OSError):
        return None


def _binary(elf: ELFFile) -> Binary:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.segments import InterpSegment

    interpreter = ""
    libraries: list[str] = []
    search_path: list[str] = []
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            tag: Any  # its attributes depend on its kind
            for tag in segment.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    libraries.append(tag.needed)
                elif tag.entry.d_tag == "DT_RPATH":
                    search_path += tag.rpath.split(":")
                elif tag.entry.d_tag == "DT_RUNPATH":
                    search_path += tag.runpath.split(":")
    return Binary(
        machine=elf["e_machine"],
        interpreter=interpreter,
        libraries=tuple(libraries),
        search_path=tuple(search_path),
        glibc=max(_glibc_versions(elf), default=()),
    )


def _glibc_versions(elf: ELFFile) -> Iterator[tuple[int, ...]]:
    """The versions of glibc's symbols that are needed. Source: Linux Standard Base, 10.7."""
    from elftools.elf.gnuversions import GNUVerNeedSection

    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                for version in versions:
                    if found := re.fullmatch(r"GLIBC_(\d+(?:\.\d+)+)", version.name):
                        yield tuple(int(part) for part in found[1].split("."))
