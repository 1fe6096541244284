"""What the environment says: directories, user, terminal.

Else only child processes are given os.environ, and Docker's SDK looks there for the engine.
"""

from __future__ import annotations

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mrunkit.errors import MrunkitError


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
    """Settings from the process' environment; raises MrunkitError."""
    return Settings(
        environ=dict(os.environ),
        workdir=_workdir(),
        user=account_name(os.getuid(), os.environ),
        uid=os.getuid(),
        gid=os.getgid(),
        hostname=socket.gethostname(),
        state_dir=state_dir(os.environ, _home()),
        is_terminal=sys.stderr.isatty(),
    )


def account_name(uid: int, environ: Mapping[str, str]) -> str:
    """Whose process this is: `su` leaves the variables as they were.

    In containers there are accounts without a name.
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return environ.get("LOGNAME") or environ.get("USER") or str(uid)


def _workdir() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        raise MrunkitError(
            "this directory has been removed", remedy="cd to one that is there"
        ) from error


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # neither HOME nor an account's name
        return Path("/")


def state_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Where what must stay is kept: absolute. Source: XDG Base Directory Specification."""
    return _directory(environ, "MRUNKIT_STATE_DIR", "XDG_STATE_HOME", home / ".local" / "state")


def cache_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Where what can be made again is kept: absolute. Source: XDG Base Directory Specification."""
    return _directory(environ, "MRUNKIT_CACHE", "XDG_CACHE_HOME", home / ".cache")


def _directory(environ: Mapping[str, str], own: str, xdg: str, usual: Path) -> Path:
    if environ.get(own):
        return Path(environ[own]).absolute()
    # The specification has relative ones ignored.
    base = Path(environ.get(xdg, ""))
    return (base if base.is_absolute() else usual) / "mrunkit"
