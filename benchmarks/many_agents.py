"""What 64 agents with one rank each cost, next to Hydra alone with as many proxies.

Hydra alone: mpiexec with the manual launcher, and hydra_pmi_proxy started directly for each of its
lines. In turn; prints medians: of the whole command, which starts a Python and a cluster with all
its agents first, and of the job itself, from its subscription to the end of its tasks.
Usage: .venv/bin/python benchmarks/many_agents.py [RUNS [AGENTS]]
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mrunkit.hydra.arguments import mpiexec_arguments
from mrunkit.hydra.lines import LaunchReader
from mrunkit.scheduler.job import Distribution

BIN = Path(sys.executable).parent
PROGRAM = shutil.which("hostname") or "hostname"

ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it, all of mrunkit would be compiled again at each start."""

GOAL = 3.0
"""Times what Hydra alone takes."""


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    agents = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    hydra, mrunkit = [], []
    for _ in range(runs):
        hydra.append(time_hydra(agents))
        mrunkit.append(time_mrunkit(agents))
    alone = statistics.median(hydra)
    whole, job = (statistics.median(times) for times in zip(*mrunkit, strict=True))
    print(f"{agents} hosts with a rank of hostname each, seconds, median of {runs}")
    print(f"Hydra alone        {alone:6.3f}")
    print(f"mrunkit, the job   {job:6.3f}   {job / alone:5.1f} times as long (goal: {GOAL:g})")
    print(f"mrunkit, in all    {whole:6.3f}   {whole / alone:5.1f} times as long")


def time_hydra(hosts: int) -> float:
    """Seconds of mpiexec and its proxies, without anything in between."""
    arguments = mpiexec_arguments(
        hosts=[f"127.0.1.{number + 1}" for number in range(hosts)],
        ranks_per_host=[1] * hosts,
        distribution=Distribution.CYCLIC,
        localhost="127.0.0.1",
        env={},
        program=[PROGRAM],
    )
    began = time.perf_counter()
    with subprocess.Popen(
        [str(BIN / "mpiexec.hydra"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as mpiexec:
        assert mpiexec.stdout is not None
        output = mpiexec.stdout.fileno()
        reader = LaunchReader()
        while not reader.is_complete:
            reader.feed(os.read(output, 65536))
        proxies = [
            subprocess.Popen([launch.executable, *launch.arguments], stdin=subprocess.DEVNULL)
            for launch in reader.launches
        ]
        mpiexec.stdout.read()
        statuses = [mpiexec.wait(), *(proxy.wait() for proxy in proxies)]
    if any(statuses):
        sys.exit(f"many_agents: Hydra failed: {statuses}")
    return time.perf_counter() - began


def time_mrunkit(agents: int) -> tuple[float, float]:
    """Seconds of `mrunkit run` with a cluster of its own: in all, and of the job."""
    words = ["run", "--json", "-N", str(agents), "-n", str(agents), f"local:{agents}x1", PROGRAM]
    with tempfile.TemporaryDirectory() as state:
        began = time.perf_counter()
        done = subprocess.run(
            [str(BIN / "mrunkit"), *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**ENVIRON, "MRUNKIT_STATE_DIR": state},
        )
        whole = time.perf_counter() - began
    return whole, sum(seconds for _, seconds in json.loads(done.stderr)["phases"])


if __name__ == "__main__":
    main()
