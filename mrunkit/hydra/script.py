"""The shell scripts of this package, as they are sent to hosts."""

from __future__ import annotations

from pathlib import Path


def read_script(name: str) -> str:
    """Return a script without its comments, for `sh -c`."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line.strip() and line.strip()[0] != "#")
    return "\n".join(lines) + "\n"
