"""Where the playbooks and the example inventory are, in a checkout as in an installed package."""

from __future__ import annotations

from pathlib import Path

import mrunkit
from mrunkit.errors import MrunkitError


def playbooks_directory() -> Path:
    """Where site.yml and its roles are."""
    return _directory("playbooks", "site.yml")


def example_inventory() -> Path:
    """The inventory of the example lab."""
    return _directory("inventory", "inventory.ini") / "inventory.ini"


def _directory(name: str, file: str) -> Path:
    package = Path(mrunkit.__file__).parent
    for directory in (package / f"{name}_data", package.parent / name):
        if (directory / file).is_file():
            return directory
    raise MrunkitError(
        f"{name}/{file} is neither in {package} nor beside it", remedy="install mrunkit again"
    )
