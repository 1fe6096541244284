"""The addresses that bootstrap found its hosts to have among themselves, kept for later.

The inventory need not tell them; what reads a lab afterwards (doctor, run) wants them
without asking every host again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def read_addresses(state_dir: Path) -> dict[str, str]:
    """Address by name of host; empty before the first bootstrap."""
    file = _file(state_dir)
    if not file.exists():
        return {}
    addresses: dict[str, str] = json.loads(file.read_text())
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
