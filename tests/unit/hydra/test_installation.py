"""Which MPICH this machine has."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from mrunkit.hydra.installation import MpichError, find_mpiexec, inspect_mpich, mpich_version

DATA = Path(__file__).parents[2] / "data" / "hydra"


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["3.4.3", "4.1.3", "4.3.2", "5.0.2"])
def test_every_version_tells_its_number(version: str) -> None:
    """As each of them really answers --version."""
    assert mpich_version((DATA / f"version-{version}.txt").read_text()) == version


@pytest.mark.parametrize("text", ["", "mpiexec (OpenRTE) 4.1.4\n", "Intel(R) MPI Library 2021\n"])
def test_another_mpi_is_told_from_mpich(text: str) -> None:
    """By its own words."""
    with pytest.raises(MpichError):
        mpich_version(text)


def test_a_named_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Another is not taken instead."""
    with pytest.raises(MpichError, match="no program"):
        find_mpiexec(str(tmp_path / "mpiexec.hydra"))


def test_a_named_program_is_taken(tmp_path: Path) -> None:
    """Before any other."""
    mpiexec = script(tmp_path / "mpiexec.hydra", "true")

    assert find_mpiexec(str(mpiexec)) == mpiexec


def test_the_one_beside_python_is_found() -> None:
    """A virtual environment need not be in PATH."""
    beside = Path(sys.executable).parent / "mpiexec.hydra"
    if not beside.exists():
        pytest.skip("no MPICH beside this Python")

    assert find_mpiexec() == beside


def test_another_mpi_is_refused_by_name(tmp_path: Path) -> None:
    """With what it calls itself, and what to do."""
    mpiexec = script(tmp_path / "mpiexec.hydra", "echo 'mpiexec (OpenRTE) 4.1.4'")

    with pytest.raises(MpichError, match=r"\(OpenRTE\) 4.1.4") as refusal:
        asyncio.run(inspect_mpich(mpiexec, {}))

    assert refusal.value.remedy is not None


def test_an_mpich_is_inspected(tmp_path: Path) -> None:
    """Its proxy is expected beside it."""
    mpiexec = script(tmp_path / "mpiexec.hydra", f"cat {DATA / 'version-4.1.3.txt'}")

    mpich = asyncio.run(inspect_mpich(mpiexec, {"PATH": "/usr/bin:/bin"}))

    assert (mpich.version, mpich.proxy) == ("4.1.3", tmp_path / "hydra_pmi_proxy")
