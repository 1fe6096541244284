"""An inventory's own lines, for what Ansible's listing of it does not tell.

Ansible takes the last of two lines with one host's name, without a word.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mrunkit.inventory import ADDRESS, PORT

_SECTION = re.compile(r"\s*\[(?P<name>[^\]]+)\]")
_NOT_INI = (".yml", ".yaml", ".json")


def read_ini(inventory: Path) -> str:
    """The inventory's text; empty for a directory, a program, and what is not in INI."""
    if not inventory.is_file() or inventory.suffix in _NOT_INI or os.access(inventory, os.X_OK):
        return ""
    return inventory.read_text(encoding="utf-8", errors="replace")


def hosts_named_twice(ini: str) -> Iterator[str]:
    """A problem for each name that lines of hosts give to different addresses or ports."""
    places: dict[str, dict[str, None]] = defaultdict(dict)
    for name, place in _host_lines(ini):
        places[name][place] = None
    for name, found in places.items():
        if len(found) > 1:
            yield f"{name} is the name of {' and of '.join(found)}: give each host its own"


def _host_lines(ini: str) -> Iterator[tuple[str, str]]:
    """Names and, as ADDRESS or ADDRESS:PORT, the places that they are said to be at."""
    lists_hosts = True
    for line in ini.splitlines():
        if section := _SECTION.match(line):
            lists_hosts = ":" not in section["name"]
        elif lists_hosts and not line.lstrip().startswith((";", "#")):
            name, *settings = shlex.split(line, comments=True) or [""]
            said = dict(setting.split("=", 1) for setting in settings if "=" in setting)
            address = next((said[key] for key in ADDRESS if key in said), None)
            port = next((said[key] for key in PORT if key in said), None)
            if address is not None:
                yield name, address + (f":{port}" if port else "")
