"""Whether anything is left of a job in containers 5 s after its client was killed.

50 jobs; each client gets SIGKILL at a random moment, from its start to well into its ranks' work.
Prints how long the slowest took to vanish; fails if anything labelled or staged stays.
Usage: python benchmarks/kill_at_random.py IMAGE [NETWORK] [SEED]
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 50
NODES = "4"
LATEST_KILL_SECONDS = 6.0
GOAL_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 30.0
PROGRAM = ("/bin/sleep", "1000")
CLIENT_LABEL = "mrunkit.client"


def main() -> None:
    """Run, kill and look."""
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    image, network = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "host"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)
    took = []
    for run in range(RUNS):
        moment = moments.uniform(0.0, LATEST_KILL_SECONDS)
        took.append(seconds_to_vanish(image, network, moment))
        print(f"{run + 1:>2}: killed after {moment:.2f} s, gone {took[-1]:.2f} s later", flush=True)
    late = sum(it > GOAL_SECONDS for it in took)
    print(
        f"{RUNS} runs on network {network}, seed {seed}: gone after {statistics.median(took):.2f} s"
        f" (median), {max(took):.2f} s (slowest); {late} later than {GOAL_SECONDS:g} s"
    )
    sys.exit(late > 0)


def seconds_to_vanish(image: str, network: str, moment: float) -> float:
    """Start a job, kill its client at a moment, and wait until nothing of it is left."""
    with tempfile.TemporaryDirectory() as directory:
        words = ["run", "-q", "--image", image, "--network", network, "-N", NODES, "--in-image"]
        client = subprocess.Popen(
            [sys.executable, "-m", "mrunkit", *words, "local", *PROGRAM],
            env={**os.environ, "TMPDIR": directory, "MRUNKIT_STATE_DIR": f"{directory}/state"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moment)
        client.kill()
        client.wait()
        killed = time.monotonic()
        # Twice in a row: the engine may be at making a container that nobody sees yet.
        seen = [True, True]
        while any(seen):
            waited = time.monotonic() - killed
            if waited > LONGEST_WAIT_SECONDS:
                sys.exit(f"left after {waited:.0f} s: {left(client.pid, Path(directory))}")
            seen = [seen[-1], bool(left(client.pid, Path(directory)))]
            time.sleep(0.1)
        return time.monotonic() - killed


def left(pid: int, directory: Path) -> list[str]:
    """The containers of a client, its processes and its temporary files."""
    listing = ["docker", "ps", "-a", "--filter", f"label={CLIENT_LABEL}", "--format"]
    said = subprocess.run(
        [*listing, f'{{{{.Names}}}} {{{{.Label "{CLIENT_LABEL}"}}}}'],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    containers = [line.split()[0] for line in said.splitlines() if f"/{pid}/" in line]
    files = [str(path) for path in directory.iterdir() if path.name != "state"]
    return containers + files + processes(directory)


def processes(directory: Path) -> list[str]:
    """The processes that have the client's TMPDIR: its cluster and its guard."""
    mark = f"TMPDIR={directory}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environ.read_bytes().split(b"\0"):
                found.append(f"process {environ.parent.name}")
        except OSError:
            continue  # it has ended
    return found


if __name__ == "__main__":
    main()
