"""The addresses that bootstrap found its hosts to have among themselves, kept for later.

The inventory need not tell them; what reads a lab afterwards (doctor, run) wants them
without asking every host again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mrunkit.errors import MrunkitError


def read_addresses(state_dir: Path) -> dict[str, str]:
    """Address by name of host; empty before the first bootstrap."""
    file = _file(state_dir)
    try:
        addresses = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise MrunkitError(
            f"cannot read {file}, the lab's addresses: {error.strerror}",
            remedy="is this the account that the lab belongs to?",
        ) from error
    except ValueError:
        addresses = None
    if not isinstance(addresses, dict):
        raise MrunkitError(
            f"{file} does not hold the lab's addresses",
            remedy="remove it; the next bootstrap writes it again",
        )
    return addresses


def keep_addresses(state_dir: Path, addresses: Mapping[str, str]) -> None:
    """Add to the known ones; a run with --limit finds only some."""
    known = read_addresses(state_dir)
    if {**known, **addresses} == known:
        return
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = _file(state_dir).with_suffix(".new")
    new.write_text(json.dumps({**known, **addresses}, indent=2) + "\n")
    new.replace(_file(state_dir))


def _file(state_dir: Path) -> Path:
    return state_dir / "addresses.json"
