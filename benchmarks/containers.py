"""How much longer hello world takes on 4 nodes when they are containers, in turn with without.

Prints the median of some runs of each, and the differences; beside them the floor, which is as
many plain `docker run` on the same network at once: 4 nodes, and mpiexec. Needs a Docker engine,
an image with MPICH (`mrunkit image build debian`), and an MPICH here.
Usage: python benchmarks/containers.py [--runs N] IMAGE [NETWORK ...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NODES = 4
GOAL_SECONDS = 1.0
SOURCE = Path(__file__).parents[1] / "examples" / "hello_world.c"
MRUNKIT = [sys.executable, "-m", "mrunkit"]

ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it, all of mrunkit would be compiled again at each start."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("image")
    parser.add_argument("networks", nargs="*", metavar="NETWORK", default=["host"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        here, inside = compile_twice(given.image, directory)
        ways: dict[str, Callable[[], object]] = {"without": lambda: job("local", here)}
        for network in given.networks:
            options = ["--image", given.image, "--network", network]
            ways[network] = lambda options=options: job(*options, "local", inside)
            ways[f"floor {network}"] = lambda network=network: floor(given.image, network)
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(given.runs):
            for way, run in ways.items():
                took[way].append(seconds(run))
    medians = {way: statistics.median(times) for way, times in took.items()}
    load = os.getloadavg()[0]
    print(f"hello world on {NODES} nodes, median of {given.runs} in turn, load {load:.1f}")
    for way, times in took.items():
        spread = f"{medians[way]:6.2f} s  ({min(times):.2f} to {max(times):.2f})"
        if way in given.networks:
            above = medians[way] - medians["without"]
            spread += f"  {above:+.2f} s  (goal: {GOAL_SECONDS:+g} s)"
        print(f"{way:<20}{spread}")


def compile_twice(image: str, directory: str) -> tuple[str, str]:
    """The program for this machine's MPICH, and for the image's."""
    here, inside = f"{directory}/here", f"{directory}/inside"
    mpicc = Path(sys.executable).with_name("mpicc")
    subprocess.run([mpicc if mpicc.exists() else "mpicc", SOURCE, "-o", here], check=True)
    words = ["compile", "--image", image, "-o", inside, str(SOURCE)]
    subprocess.run([*MRUNKIT, *words], check=True, env=ENVIRON)
    return here, inside


def seconds(run: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.monotonic()
    run()
    return time.monotonic() - start


def job(*words: str) -> None:
    """The command from its start to its end."""
    command = [*MRUNKIT, "run", "-q", "-N", str(NODES), *words]
    subprocess.run(
        command, check=True, env=ENVIRON, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )


def floor(image: str, network: str) -> None:
    """As many containers that do nothing, at once."""
    words = ["run", "--rm", "--init", "--network", network, "--entrypoint", "true", image]
    running = [subprocess.Popen(["docker", *words]) for _ in range(NODES + 1)]
    statuses = [it.wait() for it in running]
    if any(statuses):
        sys.exit("docker run failed")


if __name__ == "__main__":
    main()
