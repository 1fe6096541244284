"""What `mrunkit run` costs on top of plain mpiexec, and where the time goes.

Runs ten ranks of hello_world by plain mpiexec, by mrunkit with a cluster of its own, and by mrunkit
on a cluster that is already there; in turn, so that a busy machine is busy for all. Prints medians.
Usage: make examples; .venv/bin/python benchmarks/run_overhead.py [RUNS]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mrunkit.local.config import LocalConfig
from mrunkit.local.spawn import start

BIN = Path(sys.executable).parent
HELLO = Path(__file__).parents[1] / "examples" / "hello_world"

ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it, all of mrunkit would be compiled again at each start."""

GOAL_OVERHEAD = 0.5  # seconds
GOAL_HELP = 0.25  # seconds
GOAL_MEMORY = 80.0  # MB


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    if not HELLO.exists():
        sys.exit("run_overhead: run `make examples` first")
    plain, local, served, memory = [], [], [], []
    with tempfile.TemporaryDirectory() as directory, start(LocalConfig()) as cluster:
        for _ in range(runs):
            plain.append(time_plain())
            local.append(time_run("local", Path(directory))[0])
            parts, peak = time_run(cluster.address(), Path(directory))
            served.append(parts)
            memory.append(peak)
    helping = [time_command([str(BIN / "mrunkit"), "--help"]) for _ in range(2 * runs)]
    print_parts(plain, local, served)
    wall = median_of(local, "wall")
    over = wall - statistics.median(plain)
    print(f"above mpiexec      {over:6.3f} s   (goal: {GOAL_OVERHEAD:g} s)")
    print(f"mrunkit --help     {statistics.median(helping):6.3f} s   (goal: {GOAL_HELP:g} s)")
    print(f"client's memory    {max(memory):6.1f} MB  (goal: {GOAL_MEMORY:g} MB)")


def time_plain() -> float:
    """Seconds of mpiexec alone."""
    return time_command([str(BIN / "mpiexec"), "-n", "10", str(HELLO)])


def time_command(words: list[str]) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(
        words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRON
    )
    return time.perf_counter() - began


def time_run(master: str, directory: Path) -> tuple[dict[str, float], float]:
    """Seconds of each part of one run, and the client's peak memory in MB."""
    events = directory / "events.jsonl"
    words = ["run", "--json", "--events", str(events), "-N", "4", "-n", "10", master, str(HELLO)]
    began = time.time()
    process = subprocess.Popen(
        [str(BIN / "mrunkit"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**ENVIRON, "MRUNKIT_STATE_DIR": str(directory / "state")},
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.time()
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.exit(f"run_overhead: a run failed: {said.decode()}")
    happened = [json.loads(line) for line in events.read_text().splitlines()]
    started = json.loads(said)["started"]
    return parts_of(happened, began=began, started=started, ended=ended), usage.ru_maxrss / 1024


def parts_of(
    happened: list[dict[str, Any]], *, began: float, started: float, ended: float
) -> dict[str, float]:
    """Seconds between the milestones of a run."""

    def last(type_: str, **fields: str) -> float:
        times = [
            event["time"]
            for event in happened
            if event["type"] == type_ and fields.items() <= event.items()
        ]
        return float(times[-1])

    milestones = {
        "Python, imports, cluster": started,
        "subscribe": last("Subscribed"),
        "offers": last("State", value="launching"),
        "tasks run": last("TaskUpdated", state="TASK_RUNNING"),
        "rendezvous": last("State", value="connecting"),
        "MPI": last("MpiExited"),
        "tasks end": last("State", value="done"),
        "tear down, cluster ends": ended,
    }
    parts, before = {}, began
    for name, at in milestones.items():
        parts[name] = at - before
        before = at
    return {**parts, "wall": ended - began}


def median_of(runs: list[dict[str, float]], part: str) -> float:
    """The median of one part over all runs."""
    return statistics.median(run[part] for run in runs)


def print_parts(
    plain: list[float], local: list[dict[str, float]], served: list[dict[str, float]]
) -> None:
    """Print a table: a line per part, a column per way to run."""
    print(f"-N 4 -n 10 hello_world, seconds, median of {len(plain)}")
    print(f"{'':<26}{'mpiexec':>9}{'own cluster':>13}{'running cluster':>17}")
    for part in local[0]:
        alone = f"{statistics.median(plain):9.3f}" if part == "wall" else " " * 9
        print(f"{part:<26}{alone}{median_of(local, part):13.3f}{median_of(served, part):17.3f}")


if __name__ == "__main__":
    main()
