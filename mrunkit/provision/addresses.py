"""The addresses that bootstrap found its hosts to have among themselves, kept for later.

The inventory need not tell them; what reads a lab afterwards (doctor, run) wants them
without asking every host again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mrunkit.provision.kept import keep, read_kept


def read_addresses(state_dir: Path) -> dict[str, str]:
    """Address by name of host; empty before the first bootstrap. Raises MrunkitError."""
    return read_kept(_file(state_dir), dict, "the lab's addresses") or {}


def keep_addresses(state_dir: Path, addresses: Mapping[str, str]) -> None:
    """Add to the known ones; a run with --limit finds only some. Raises OSError."""
    known = read_addresses(state_dir)
    if {**known, **addresses} != known:
        keep(_file(state_dir), {**known, **addresses})


def _file(state_dir: Path) -> Path:
    return state_dir / "addresses.json"
