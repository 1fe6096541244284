"""What programs ask for, read from programs that this machine's compiler has made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mrunkit.containers.elf import Binary, read_binary

MUSL_LOADER = "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"


def compiled(directory: Path, *flags: str) -> Binary:
    """A program compiled with these flags, as it is read."""
    source, program = directory / "program.c", directory / "program"
    source.write_text('#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    subprocess.run(["gcc", source, "-o", program, *flags], check=True)
    binary = read_binary(program)
    assert binary is not None
    return binary


def test_an_ordinary_program_needs_its_loader_and_glibc(tmp_path: Path) -> None:
    """Interpreter, libraries, machine and the version of glibc's symbols are read."""
    binary = compiled(tmp_path)
    assert (binary.libc, binary.libraries) == ("glibc", ("libc.so.6",))
    assert binary.glibc[0] == 2
    assert binary.machine == read_own_machine()


def read_own_machine() -> str:
    """The machine of the shell that runs here."""
    shell = read_binary(Path("/bin/sh"))
    assert shell is not None
    return shell.machine


@pytest.mark.parametrize("flag", ["-static", "-static-pie"])
def test_a_static_program_needs_nothing(tmp_path: Path, flag: str) -> None:
    """It runs wherever its machine does."""
    binary = compiled(tmp_path, flag)
    assert binary == Binary(machine=binary.machine)


def test_musl_is_told_by_its_loader(tmp_path: Path) -> None:
    """The name of the loader is all that tells one C library from another."""
    assert compiled(tmp_path, MUSL_LOADER).libc == "musl"


@pytest.mark.parametrize("kind", ["--enable-new-dtags", "--disable-new-dtags"])
def test_search_path_is_read_in_its_old_and_new_form(tmp_path: Path, kind: str) -> None:
    """RPATH and RUNPATH both may bring libraries that no image has."""
    binary = compiled(tmp_path, f"-Wl,{kind},-rpath,/share/lib:$ORIGIN/lib")
    assert binary.search_path == ("/share/lib", "$ORIGIN/lib")


@pytest.mark.parametrize("content", [b"#!/bin/sh\necho hello\n", b"", b"\x7fELF", b"\x7fELF\2\1\1"])
def test_what_is_no_elf_file_asks_for_nothing(tmp_path: Path, content: bytes) -> None:
    """Scripts, and files that are too damaged to tell: the kernel will judge them."""
    path = tmp_path / "program"
    path.write_bytes(content)
    assert read_binary(path) is None


def test_a_program_that_only_agents_have_asks_for_nothing(tmp_path: Path) -> None:
    """What is not here cannot be read, and may well be there."""
    assert read_binary(tmp_path / "nothing") is None
