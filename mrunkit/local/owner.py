"""Which cluster process a container or a directory belongs to, and whether that is still there."""

from __future__ import annotations

import socket

from mrunkit.process_identity import ProcessIdentity, this_process

OWNER_LABEL = "mrunkit.local"
"""On every container of an embedded cluster: the ProcessIdentity of its process."""
OWNER_FILE = ".owner"
"""In a cluster's directory: the same."""
DIRECTORY_PREFIX = "mrunkit-local-"
"""Of clusters' directories, in the directory for temporary files."""


def own_label() -> str:
    """This process, for OWNER_LABEL."""
    return str(this_process(socket.gethostname()))


def is_owner_gone(label: str) -> bool:
    """Whether it is sure that the process has ended, which only its own host can tell."""
    owner = ProcessIdentity.parse(label)
    return owner is not None and owner.is_gone(hostname=socket.gethostname())
