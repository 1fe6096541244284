"""ssh keys of a lab and of its hosts, made by ssh-keygen."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mrunkit.lab.request import LabError


def make_key(path: Path, comment: str) -> str:
    """Make a key without a passphrase, PATH and PATH.pub; the public one is returned."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise LabError(
            "there is no ssh-keygen", remedy="install it: apt-get install openssh-client"
        ) from error
    if done.returncode != 0:
        raise LabError(f"ssh-keygen could not make {path}: {done.stderr.strip()}")
    return public_key(path)


def public_key(path: Path) -> str:
    """The public part of a key, as it stands in known_hosts and authorized_keys."""
    return path.with_name(path.name + ".pub").read_text().strip()
