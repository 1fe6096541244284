"""Make a small archive of a Mesos installation with stand-in daemons: `build.py FILE VERSION`.

See `standin_mesos/__init__.py` for what they are and why they are needed. The archive has what
the playbooks look for in a real one, below one directory as archives of releases have it.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
import zipapp
from pathlib import Path

SOURCE = Path(__file__).parent / "standin_mesos"
PYTHON = "/usr/bin/env python3"
EXECUTORS = ("mesos-executor", "mesos-docker-executor", "mesos-containerizer", "mesos-fetcher")


def build(archive: Path, version: str) -> None:
    """Write the archive."""
    files = {
        "sbin/mesos-master": _program("standin_mesos.master:main", version),
        "sbin/mesos-agent": _program("standin_mesos.agent:main", version),
        "share/mesos/webui/index.html": b"<p>A stand-in for Mesos: see its tests.</p>\n",
    }
    for name in EXECUTORS:
        files[f"libexec/mesos/{name}"] = b"#!/bin/sh\necho A stand-in runs nothing >&2\nexit 1\n"
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"mesos-{version}/{name}")
            member.size = len(data)
            member.mode = 0o644 if name.startswith("share/") else 0o755
            tar.addfile(member, io.BytesIO(data))


def _program(main: str, version: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory) / "source" / SOURCE.name
        package.mkdir(parents=True)
        for file in SOURCE.glob("*.py"):
            (package / file.name).write_bytes(file.read_bytes())
        (package / "version.py").write_text(f'VERSION = "{version}"\n')
        program = Path(directory) / "program"
        zipapp.create_archive(package.parent, program, interpreter=PYTHON, main=main)
        return program.read_bytes()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("version")
    asked = parser.parse_args()
    build(asked.archive, asked.version)


if __name__ == "__main__":
    main()
