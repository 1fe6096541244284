"""What the environment says: directories, user, terminal.

Else only child processes are given os.environ, and Docker's SDK looks there for the engine.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The surroundings of one run of mrunkit."""

    environ: Mapping[str, str]
    workdir: str
    user: str
    uid: int
    gid: int
    hostname: str
    state_dir: Path
    """Where jobs' records and this machine's labs are kept; MRUNKIT_STATE_DIR, else after XDG."""
    is_terminal: bool
    """Whether what mrunkit says (stderr) is read on a terminal."""


def read_settings() -> Settings:
    """Settings from the process' environment."""
    return Settings(
        environ=dict(os.environ),
        workdir=str(Path.cwd()),
        user=getpass.getuser(),
        uid=os.getuid(),
        gid=os.getgid(),
        hostname=socket.gethostname(),
        state_dir=state_dir(os.environ, Path.home()),
        is_terminal=sys.stderr.isatty(),
    )


def state_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Where what must stay is kept. Source: XDG Base Directory Specification."""
    if environ.get("MRUNKIT_STATE_DIR"):
        return Path(environ["MRUNKIT_STATE_DIR"])
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "mrunkit"
    return home / ".local" / "state" / "mrunkit"


def cache_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Where what can be made again is kept. Source: XDG Base Directory Specification."""
    if environ.get("MRUNKIT_CACHE"):
        return Path(environ["MRUNKIT_CACHE"])
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "mrunkit"
    return home / ".cache" / "mrunkit"
