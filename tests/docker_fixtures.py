"""For all tests with a Docker engine: the engine itself, and the Debian image, built for real.

Owns the build, once per state of `images/`. The images stay: the next run finds them by a hash of
what made them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[1] / "images"
INPUTS_LABEL = "mrunkit.test-inputs"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianImages:
    """The tags of the Debian image's two targets."""

    default: str
    runtime: str


def run_program(
    *command: str, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; with `check`, fail with what it printed if it failed."""
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="session")
def answering_engine() -> None:
    """Skip where no engine answers.

    Asked of the program: the SDK leaves a socket open where nobody listens.
    """
    answers = shutil.which("docker") and run_program("docker", "version", check=False)
    if not answers or answers.returncode:
        pytest.skip("no Docker engine answers: run .ci/docker-engine")


@pytest.fixture(scope="session")
def docker(answering_engine: None) -> Run:
    """Run docker with the given words, against an engine that is known to answer."""

    def run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run_program("docker", *words, check=check)

    return run


@pytest.fixture(scope="session")
def debian_images(docker: Run) -> DebianImages:
    """Build both targets of `images/debian`, unless the images here were made from the same."""
    base = os.environ.get("MRUNKIT_BASE_IMAGE")
    if base is None:
        base = run_program(str(IMAGES / "debian" / "make-base.sh")).stdout.strip()
    images = DebianImages(default="mrunkit/debian:test", runtime="mrunkit/debian:test-runtime")
    inputs = _inputs(docker("image", "inspect", "-f", "{{.Id}}", base).stdout)
    for tag, target in [(images.default, []), (images.runtime, ["--target", "runtime"])]:
        label = f'{{{{index .Config.Labels "{INPUTS_LABEL}"}}}}'
        found = docker("image", "inspect", "-f", label, tag, check=False).stdout.strip()
        if found != inputs:
            dockerfile = str(IMAGES / "debian" / "Dockerfile")
            build = ["build", "-t", tag, "--label", f"{INPUTS_LABEL}={inputs}", "-f", dockerfile]
            docker(*build, *target, "--build-arg", f"BASE_IMAGE={base}", str(IMAGES))
    return images


def _inputs(base_id: str) -> str:
    digest = hashlib.sha256(base_id.encode())
    copied = [path for path in IMAGES.iterdir() if path.is_file()]
    for path in sorted([*copied, IMAGES / "debian" / "Dockerfile"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
