"""`mrunkit init`: an inventory to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Made if it is not there.")
    ] = Path(),
) -> None:
    """Write the inventory of an example lab, ready to edit, into a directory."""
    from mrunkit.errors import UsageError
    from mrunkit.provision.packaged import example_inventory

    target = directory / "inventory.ini"
    text = example_inventory().read_text()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        target.touch(exist_ok=False)
        _write_whole(target, text)
    except FileExistsError as error:
        raise UsageError(
            f"there is {error.filename or target} already", remedy="name another directory"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    print(f"{target} is written: name your hosts in it, then")
    print(f"  mrunkit bootstrap {shlex.quote(str(target))}")


def _write_whole(target: Path, text: str) -> None:
    """Write it, or remove what a full disk took of it: the next try would find one there."""
    try:
        target.write_text(text)
    except OSError:
        target.unlink()
        raise
