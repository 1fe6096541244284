"""Make a small archive of a Mesos installation with stand-in daemons: `build.py FILE VERSION`.

See `standin_mesos/__init__.py` for what they are and why they are needed. The archive has what
the playbooks look for in a real one, below one directory as archives of releases have it.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent / "standin_mesos"
PACKAGES = ("mrunkit", "docker", "requests", "urllib3", "idna", "certifi", "charset_normalizer")
"""What it needs besides, without what was compiled: all of them can do without."""
PROGRAM = """\
#!/bin/sh
''':'
exec "$(command -v python3.11 || command -v python3)" "$0" "$@"
'''
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib/python"))
from standin_mesos.{module} import main

main()
"""
"""A shell's program that is Python's as well: Ubuntu 22.04's python3 is older than mrunkit's."""
EXECUTORS = ("mesos-executor", "mesos-docker-executor", "mesos-containerizer", "mesos-fetcher")


def build(archive: Path, version: str, *, programs: str = "sbin") -> None:
    """Write the archive; the programs may be in bin as well."""
    files = {
        f"{programs}/mesos-master": PROGRAM.format(module="master").encode(),
        f"{programs}/mesos-agent": PROGRAM.format(module="agent").encode(),
        "share/mesos/webui/index.html": b"<p>A stand-in for Mesos: see its tests.</p>\n",
        **{f"lib/python/{name}": data for name, data in _modules(version)},
    }
    for name in EXECUTORS:
        files[f"libexec/mesos/{name}"] = b"#!/bin/sh\necho A stand-in runs nothing >&2\nexit 1\n"
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"mesos-{version}/{name}")
            member.size = len(data)
            member.mode = 0o644 if name.startswith(("share/", "lib/")) else 0o755
            tar.addfile(member, io.BytesIO(data))


def _modules(version: str) -> Iterator[tuple[str, bytes]]:
    for package in (SOURCE, *map(_directory, PACKAGES)):
        for file in sorted(package.rglob("*")):
            if file.suffix in (".py", ".sh", ".pem") and file != SOURCE / "version.py":
                yield f"{package.name}/{file.relative_to(package)}", file.read_bytes()
    yield "standin_mesos/version.py", f'VERSION = "{version}"\n'.encode()


def _directory(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("version")
    parser.add_argument("--programs", default="sbin", help="their directory: sbin, or bin")
    asked = parser.parse_args()
    build(asked.archive, asked.version, programs=asked.programs)


if __name__ == "__main__":
    main()
