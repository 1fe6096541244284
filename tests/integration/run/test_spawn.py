"""Programs that start more ranks with MPI_Comm_spawn, as mpi4py.futures does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from client import Mrunkit

from mrunkit.hydra.installation import find_mpiexec

SPAWN = r"""
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    MPI_Comm parent, other;
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_get_parent(&parent);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (parent == MPI_COMM_NULL) {
        MPI_Comm_spawn(argv[0], MPI_ARGV_NULL, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &other,
                       MPI_ERRCODES_IGNORE);
        printf("parent %d\n", rank);
    } else {
        other = parent;
        printf("child %d %s\n", rank, getenv("GIVEN"));
    }
    fflush(stdout);
    MPI_Barrier(other);
    MPI_Comm_disconnect(&other);
    MPI_Finalize();
    return 0;
}
"""

OF_AN_OLD_MPICH = """#!{python}
import subprocess, sys
if sys.argv[1] == "--version":
    sys.exit(subprocess.call(["{mpiexec}", "--version"]))
with subprocess.Popen(["{mpiexec}", *sys.argv[1:]], stdout=subprocess.PIPE) as mpiexec:
    for line in mpiexec.stdout:
        sys.stdout.buffer.write(line)
        if line.startswith(b"HYDRA_LAUNCH:"):
            launch = line
        elif line.startswith(b"parent"):
            sys.stdout.buffer.write(launch.replace(b"--pgid 0", b"--pgid 1"))
        sys.stdout.buffer.flush()
"""
"""An mpiexec that asks for more proxies once a rank has said that it is a parent."""


@pytest.fixture
def spawn(mrunkit: Mrunkit) -> Path:
    """The program, compiled."""
    program = mrunkit.work / "spawn"
    mpicc = find_mpiexec(None).with_name("mpicc")
    compile_it = [mpicc, "-x", "c", "-o", program, "-"]
    subprocess.run(compile_it, input=SPAWN, text=True, check=True)
    return program


def test_ranks_start_more_ranks(mrunkit: Mrunkit, spawn: Path) -> None:
    """On the nodes that the job has, with its variables."""
    ended = mrunkit.run("-N", "2", "-n", "2", "-x", "GIVEN=a b", "local", str(spawn))
    assert ended.status == 0, ended.stderr
    assert sorted(ended.stdout.splitlines()) == [
        "child 0 a b",
        "child 1 a b",
        "parent 0",
        "parent 1",
    ]


def test_an_old_mpich_wants_more_proxies(mrunkit: Mrunkit) -> None:
    """Nobody starts them, and the ranks would wait for ever."""
    mpiexec = mrunkit.work / "mpiexec.hydra"
    real = find_mpiexec(None)
    mpiexec.write_text(OF_AN_OLD_MPICH.format(python=sys.executable, mpiexec=real))
    mpiexec.chmod(0o755)
    (mrunkit.work / "hydra_pmi_proxy").symlink_to(real.with_name("hydra_pmi_proxy"))
    program = ("sh", "-c", "echo parent; exec sleep 60")
    ended = mrunkit.run("--mpiexec", str(mpiexec), "local", *program)
    assert ended.status == 125
    assert "MPI_Comm_spawn" in ended.stderr
    assert "use MPICH 4.2 or later" in ended.stderr
    assert ended.stdout == "parent\n"
