"""Which cluster process a container belongs to, and whether that is still there.

Pure but for looks into /proc. `containers/client_identity.py` knows the same form.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

OWNER_LABEL = "mrunkit.local"
"""On every container of an embedded cluster: HOST/PID/START of its process."""
OWNER_FILE = ".owner"
"""In a cluster's directory: the same."""
DIRECTORY_PREFIX = "mrunkit-local-"
"""Of clusters' directories, in the directory for temporary files."""


def own_label() -> str:
    """HOST/PID/START of this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started_at(os.getpid())}"


def is_owner_gone(label: str) -> bool:
    """Whether it is sure that the process has ended, which only its own host can tell."""
    hostname, _, rest = label.partition("/")
    pid, _, started = rest.partition("/")
    if hostname != socket.gethostname() or not (pid.isdecimal() and started.isdecimal()):
        return False
    return _started_at(int(pid)) != int(started)


def _started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # proc(5): the name, in parentheses, may hold anything; the 20th field behind it counts.
    return int(stat.rpartition(")")[2].split()[19])
