"""Labs that are bootstrapped whole: their hosts, what they are made of, and how they are used.

Apache Mesos is not to be had by apt or pip: unless MRUNKIT_MESOS_ARCHIVE and MRUNKIT_MESOS_SHA256
name a real archive, the stand-in of tests/playbooks/standin is what gets installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mrunkit.lab.request import Distribution, Suite
from mrunkit.provision.client_package import requirements

REPOSITORY = Path(__file__).parents[2]
MESOS_VARIABLES = REPOSITORY / "tests/playbooks/standin/variables.py"
MRUNKIT = Path(sys.executable).with_name("mrunkit")
HOSTS = ("host0", "host1", "host2")

IS_MESOS_REAL = "MRUNKIT_MESOS_ARCHIVE" in os.environ

OF_CONTAINERS = {"lab_network_is_encrypted": False, "validate_skip": ["vxlan", "disk"]}
"""The kernel of a machine that runs tests need not have ESP, nor it much room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """Three hosts, and how the command line is called for them."""

    name: str
    backend: str
    inventory: Path
    environ: dict[str, str]

    @property
    def runs_jobs(self) -> bool:
        """Whether its hosts have the image and mrunkit, which takes guests without KVM minutes."""
        return self.backend == "docker" or IS_MESOS_REAL

    def mrunkit(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run mrunkit to its end."""
        return subprocess.run(
            [MRUNKIT, *words],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def on(self, host: str, command: str, *, check: bool = True, stdin: str = "") -> str:
        """What a shell command prints on a host."""
        done = self.mrunkit("lab", "ssh", "--name", self.name, host, command, stdin=stdin)
        if check and done.returncode:
            pytest.fail(f"{host}: {command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def bootstrap(self, *words: str) -> str:
        """Bootstrap to the end, without doctor; returns what Ansible told of the hosts."""
        done = self.mrunkit("bootstrap", "--no-doctor", *words, str(self.inventory))
        if done.returncode:
            pytest.fail(f"bootstrap: {done.returncode}\n{done.stdout}{done.stderr}{self.log()}")
        return self.log()

    def log(self) -> str:
        """The last log of a bootstrap."""
        logs = (self.inventory.parent / ".mrunkit" / "logs").glob("bootstrap-*.log")
        return max(logs, key=lambda log: log.stat().st_mtime).read_text()


@contextmanager
def made_lab(directory: Path, backend: str, *words: str) -> Iterator[Lab]:
    """Three hosts that have the packages, and nothing else of a lab; taken down at the end."""
    environ = {**os.environ, "MRUNKIT_STATE_DIR": str(directory / "state")}
    name = f"whole-{os.getpid()}"
    up = [MRUNKIT, "lab", "up", "--name", name, "--backend", backend, "--ready", "--json", *words]
    made = subprocess.run(up, env=environ, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.fail(f"lab up: {made.returncode}\n{made.stdout}{made.stderr}")
    try:
        inventory = Path(json.loads(made.stdout)["inventory"])
        yield Lab(name=name, backend=backend, inventory=inventory, environ=environ)
    finally:
        subprocess.run([MRUNKIT, "lab", "down", "--name", name], env=environ, check=True)


def mirror(suite: str) -> tuple[str, ...]:
    """Where a release's packages are, unless this machine's apt knows; skips if nobody does."""
    if Suite(suite).distribution is Distribution.DEBIAN:
        return ()
    url = os.environ.get("MRUNKIT_UBUNTU_MIRROR")
    if url is None or not Distribution.UBUNTU.keyring.exists():
        pytest.skip(f"needs MRUNKIT_UBUNTU_MIRROR, and {Distribution.UBUNTU.keyring}")
    return ("--mirror", url)


def mpich_source() -> dict[str, object]:
    """MPICH's sources, mpich-VERSION.tar.gz, for hosts whose packages of it do not work."""
    named = os.environ.get("MRUNKIT_MPICH_SOURCE")
    if named is None:
        pytest.skip("needs MRUNKIT_MPICH_SOURCE")
    path = Path(named)
    return {
        "mpich_install": "source",
        "mpich_version": path.name.removeprefix("mpich-").removesuffix(".tar.gz"),
        "mpich_source": str(path),
        "mpich_source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def describe(lab: Lab, image: str, directory: Path, more: Mapping[str, object]) -> None:
    """Say beside the inventory what this lab is made of."""
    archive = directory / "image.tar"
    subprocess.run(["docker", "save", "--output", archive, image], check=True)
    mesos = [sys.executable, MESOS_VARIABLES, directory]
    told = subprocess.run(mesos, check=True, stdout=subprocess.PIPE).stdout
    variables = {
        "lab_image": image,
        "image_source": "archive",
        "image_archive": str(archive),
        **json.loads(told),
        **more,
    }
    beside = lab.inventory.parent / "group_vars"
    beside.mkdir()
    (beside / "all.json").write_text(json.dumps(variables))


def wheels(directory: Path, *, python: str = "") -> dict[str, object]:
    """What mrunkit needs, for hosts that reach no package index; for another Python as well."""
    pip = [sys.executable, "-m", "pip"]
    options = ["--quiet", "--disable-pip-version-check"]
    sources = [REPOSITORY / "compat/http-parser", REPOSITORY]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", directory, *sources], check=True)
    if python:
        options += ["--dest", str(directory), "--no-deps", "--only-binary=:all:"]
        options += ["--python-version", python]
        pinned = [line for line in requirements() if not line.startswith("pymesos==")]
        subprocess.run([*pip, "download", *options, *pinned], check=True)
    return {"client_wheels": str(directory)}
