"""Print the variables of a lab's Mesos, as JSON: `variables.py DIRECTORY`.

The archive is MRUNKIT_MESOS_ARCHIVE, a real one with the sha256 MRUNKIT_MESOS_SHA256, or else one
with stand-in daemons, which is written into the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from build import build


def variables(directory: Path) -> dict[str, str]:
    """What the role mesos is told."""
    archive = os.environ.get("MRUNKIT_MESOS_ARCHIVE")
    if archive is not None:
        sha256 = os.environ["MRUNKIT_MESOS_SHA256"]
    else:
        archive = str(directory / "mesos.tar.gz")
        build(Path(archive), "1.11.0")
        sha256 = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    return {
        "mesos_install": "archive",
        "mesos_archive": archive,
        "mesos_archive_sha256": sha256,
        "mesos_agent_resources": "cpus:2;mem:1024",
    }


if __name__ == "__main__":
    print(json.dumps(variables(Path(sys.argv[1]))))
