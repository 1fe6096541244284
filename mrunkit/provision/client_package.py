"""This very mrunkit as one file, for hosts of a lab to install: `client_package.py FILE [WHEELS]`.

FILE becomes a tar archive of two wheels, of mrunkit and of its http-parser, and a requirements.txt
with all else that mrunkit needs, in the versions that are installed here. The wheels of a directory
WHEELS go along, for hosts that reach no package index. Prints the version and a digest of it all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mrunkit.containers.build import images_directory
from mrunkit.errors import MrunkitError
from mrunkit.provision.packaged import example_inventory, playbooks_directory

OURS = {"mrunkit": "mrunkit", "http-parser": "http_parser"}
"""Distributions that no index has, with the packages they hold."""
REQUIREMENTS = "requirements.txt"
_WHEEL = "Wheel-Version: 1.0\nGenerator: mrunkit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can tell: one content makes one file, whenever."""


def requirements(name: str = "mrunkit") -> list[str]:
    """Lines for pip: what a distribution needs, directly or not, as it is installed here."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        for text in distribution(waiting.pop()).requires or ():
            needed = Requirement(text)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            key = canonicalize_name(needed.name)
            if key in found:
                continue
            found[key] = f"{key}=={distribution(key).version}"
            waiting.append(key)
    return sorted(line for key, line in found.items() if key not in OURS)


def wheel(name: str) -> tuple[str, bytes]:
    """The file name and content of a wheel, made anew of what is installed."""
    installed = distribution(name)
    stem = f"{canonicalize_name(name).replace('-', '_')}-{installed.version}"
    files = dict(_package_files(OURS[name]))
    files |= {f"{stem}.dist-info/{part}": data for part, data in _metadata(installed)}
    record = "".join(f"{path},,\n" for path in (*files, f"{stem}.dist-info/RECORD"))
    files[f"{stem}.dist-info/RECORD"] = record.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            member = zipfile.ZipInfo(path, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return f"{stem}-py3-none-any.whl", packed.getvalue()


def package(wheels: Path | None = None) -> dict[str, bytes]:
    """The files of the archive by name; raises MrunkitError if WHEELS has none."""
    files = dict(map(wheel, OURS))
    files[REQUIREMENTS] = "".join(f"{line}\n" for line in requirements()).encode()
    if wheels is not None:
        brought = {path.name: path.read_bytes() for path in sorted(wheels.glob("*.whl"))}
        if not brought:
            raise MrunkitError(
                f"there are no wheels in {wheels}",
                remedy=f"in a checkout: pip wheel -w {wheels} ./compat/http-parser .",
            )
        files = {**brought, **files}
    return files


def digest(files: dict[str, bytes]) -> str:
    """Eight hex digits that differ for another content."""
    summed = hashlib.sha256()
    for name, data in sorted(files.items()):
        summed.update(f"{name} {len(data)} ".encode() + data)
    return summed.hexdigest()[:8]


def write_archive(files: dict[str, bytes], path: Path) -> None:
    """Write it as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with tarfile.open(new, "w") as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    new.replace(path)


def _package_files(package: str) -> Iterator[tuple[str, bytes]]:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    directory = Path(found.origin).parent
    yield from _tree(directory, package)
    if package == "mrunkit":
        data = {
            "images": images_directory(),
            "playbooks": playbooks_directory(),
            "inventory": example_inventory().parent,
        }
        for name, source in data.items():
            if not source.is_relative_to(directory):  # a checkout's
                yield from _tree(source, f"{package}/{name}_data")


def _tree(directory: Path, name: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        is_kept = "__pycache__" not in inside.parts and ".ansible" not in inside.parts
        if path.is_file() and is_kept:
            yield f"{name}/{inside}", path.read_bytes()


def _metadata(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    for part in ("METADATA", "entry_points.txt"):
        text = installed.read_text(part)
        if text:
            yield part, text.encode()
    yield "WHEEL", _WHEEL.encode()


def main() -> None:
    """Read the command line."""
    path, *wheels = map(Path, sys.argv[1:])
    try:
        files = package(*wheels)
    except MrunkitError as error:
        sys.exit("\n".join(filter(None, (str(error), error.remedy))))
    write_archive(files, path)
    told = {"version": distribution("mrunkit").version, "digest": digest(files)}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
