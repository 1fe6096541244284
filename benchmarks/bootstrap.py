"""How long a lab of container hosts takes: bootstrap, a second run, doctor and teardown.

The hosts have their packages already (`mrunkit lab up --ready`), so no mirror's speed is in it.
Apache Mesos is the stand-in of the tests, unless MRUNKIT_MESOS_ARCHIVE and MRUNKIT_MESOS_SHA256
name a real archive. With --wheels, a directory of what mrunkit needs (`pip wheel -w DIRECTORY
./compat/http-parser .`), host0 gets mrunkit and doctor runs its MPI job there: IMAGE has to be one
of mrunkit's then. Needs root and a Docker engine.
Usage: python benchmarks/bootstrap.py [--hosts N] [--runs N] [--wheels DIRECTORY] IMAGE
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MESOS_VARIABLES = Path(__file__).parents[1] / "tests" / "playbooks" / "standin" / "variables.py"
MRUNKIT = [sys.executable, "-m", "mrunkit"]
GOALS = {"bootstrap": 90, "second run": 45, "doctor": 20}
"""Seconds."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("image")
    given = parser.parse_args()
    took: dict[str, list[float]] = {}
    roles: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as directory, lab(given.hosts, directory) as inventory:
        describe(inventory, given.image, given.wheels, Path(directory))
        bootstrap = ["bootstrap", "--no-doctor", inventory]
        steps = {
            "bootstrap": bootstrap,
            "second run": bootstrap,
            "doctor": ["doctor", *([] if given.wheels else ["--skip", "mpi"]), inventory],
            "teardown": ["teardown", "--yes", inventory],
        }
        for _ in range(given.runs):
            for step, words in steps.items():
                start = time.monotonic()
                told = run(words, directory)
                took.setdefault(step, []).append(time.monotonic() - start)
                roles[step] = seconds_by_role(told)
    print(f"{given.hosts} container hosts, median of {given.runs}, load {os.getloadavg()[0]:.1f}")
    for step, times in took.items():
        goal = f"  (goal: {GOALS[step]} s)" if step in GOALS else ""
        print(f"{step:<12}{statistics.median(times):6.1f} s{goal}")
    print(f"{'':<12}{'bootstrap':>10}{'second run':>12}")
    for role, seconds in roles["bootstrap"].items():
        print(f"{role:<12}{seconds:>10.1f}{roles['second run'].get(role, 0.0):>12.1f}")


@contextmanager
def lab(hosts: int, directory: str) -> Iterator[str]:
    """Hosts of this machine; gives their inventory."""
    name = f"bench-{os.getpid()}"
    up = ["lab", "up", "--name", name, "--hosts", str(hosts), "--ready", "--json"]
    try:
        yield json.loads(run(up, directory, is_heard=True))["inventory"]
    finally:
        run(["lab", "down", "--name", name], directory)


def describe(inventory: str, image: str, wheels: Path | None, directory: Path) -> None:
    """Say beside the inventory what the lab is made of."""
    tar = directory / "image.tar"
    subprocess.run(["docker", "save", "--output", tar, image], check=True)
    mesos = [sys.executable, MESOS_VARIABLES, directory]
    told = subprocess.run(mesos, check=True, stdout=subprocess.PIPE).stdout
    variables = {
        "lab_image": image,
        "image_source": "archive",
        "image_archive": str(tar),
        **json.loads(told),
        **({"client_wheels": str(wheels.absolute())} if wheels else {"client_install": False}),
        # Containers have the kernel of this machine, which need not have ESP.
        "lab_network_is_encrypted": False,
        "validate_skip": ["vxlan", "disk"],
    }
    beside = Path(inventory).with_name("group_vars")
    beside.mkdir()
    (beside / "all.json").write_text(json.dumps(variables))


def run(words: list[str], directory: str, *, is_heard: bool = False) -> str:
    """Run mrunkit to its good end; return what it told on stderr, or on stdout if heard."""
    environ = {**os.environ, "MRUNKIT_STATE_DIR": f"{directory}/state"}
    done = subprocess.run(
        [*MRUNKIT, *words],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"mrunkit {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout if is_heard else done.stderr


def seconds_by_role(told: str) -> dict[str, float]:
    """From the lines that bootstrap writes where there is no terminal."""
    found = re.findall(r"^mrunkit: (\w+): .*, ([\d.]+) s$", told, re.MULTILINE)
    return {role: float(seconds) for role, seconds in found}


if __name__ == "__main__":
    main()
