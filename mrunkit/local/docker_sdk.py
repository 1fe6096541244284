"""The docker SDK, without the part of it that takes longest to import.

Owns how `docker` is imported; who uses it first calls `import_sdk` before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_FOR_SSH = "paramiko"


def import_sdk() -> None:
    """Import `docker`, without paramiko unless the engine may be one that is reached by ssh.

    Of 0.3 s the SDK spends 0.18 on paramiko, if that is installed. A job would pay that
    twice: in its client and in its local cluster.
    """
    if _FOR_SSH in sys.modules or may_need_ssh(os.environ, Path.home()):
        import docker
    else:
        # What is None counts as not installed, which the SDK expects. Later it is found again.
        sys.modules[_FOR_SSH] = None  # type: ignore[assignment]
        try:
            import docker  # noqa: F401
        finally:
            del sys.modules[_FOR_SSH]


def may_need_ssh(environ: Mapping[str, str], home: Path) -> bool:
    """Whether the engine's address, or a context that may name it, asks for ssh."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"].startswith("ssh:")
    if environ.get("DOCKER_CONTEXT"):
        return True
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker", "config.json")
    try:
        return "currentContext" in config.read_text(errors="replace")
    except OSError:
        return False
