"""How much longer hello world takes on 4 nodes when they are containers, in turn with without.

Prints the median of 5 runs of each, and their difference. Needs a Docker engine, an image with
MPICH (`mrunkit image build debian`), and an MPICH here.
Usage: python benchmarks/containers.py IMAGE [NETWORK]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
NODES = "4"
GOAL_SECONDS = 1.0
SOURCE = Path(__file__).parents[1] / "examples" / "hello_world.c"
MRUNKIT = [sys.executable, "-m", "mrunkit"]


def main() -> None:
    """Measure and print."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    image, network = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "host"
    with tempfile.TemporaryDirectory() as directory:
        here, inside = f"{directory}/here", f"{directory}/inside"
        mpicc = Path(sys.executable).with_name("mpicc")
        subprocess.run([mpicc if mpicc.exists() else "mpicc", SOURCE, "-o", here], check=True)
        compile_words = ["compile", "--image", image, "-o", inside, str(SOURCE)]
        subprocess.run([*MRUNKIT, *compile_words], check=True)
        options = ["--image", image, "--network", network]
        without, within = [], []
        for _ in range(RUNS):
            without.append(seconds("local", here))
            within.append(seconds(*options, "local", inside))
    medians = statistics.median(without), statistics.median(within)
    print(f"hello world on {NODES} nodes, median of {RUNS} in turn, network {network}")
    print(f"without containers {medians[0]:6.2f} s  ({min(without):.2f} to {max(without):.2f})")
    print(f"in containers      {medians[1]:6.2f} s  ({min(within):.2f} to {max(within):.2f})")
    print(f"difference         {medians[1] - medians[0]:6.2f} s  (goal: {GOAL_SECONDS:g} s)")


def seconds(*words: str) -> float:
    """How long the command takes, from its start to its end."""
    start = time.monotonic()
    command = [*MRUNKIT, "run", "-q", "-N", NODES, *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
