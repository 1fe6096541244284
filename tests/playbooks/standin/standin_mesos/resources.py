"""Resources and attributes: parsing, what an agent has if it is not told, and comparing."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

from standin_mesos.flags import FlagError


def parse_resources(text: str, work_dir: str) -> dict[str, float | str]:
    """Amounts by name; what is not named is what this machine has."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    disk_mb = shutil.disk_usage(work_dir).total // 2**20
    found: dict[str, float | str] = {
        "cpus": float(os.cpu_count() or 1),
        "mem": float(memory_mb - 1024 if memory_mb > 2048 else memory_mb // 2),
        "disk": float(disk_mb - 5120 if disk_mb > 10240 else disk_mb // 2),
        "gpus": 0.0,
        "ports": "[31000-32000]",
    }
    found.update(_parse(text, "resource"))
    for name in ("cpus", "mem", "disk", "gpus"):
        if not isinstance(found[name], float):
            raise FlagError(f"Bad type for resource {name}, value {found[name]}")
    return found


def port_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """The first and last port of each range in "[31000-31009, 31020-31020]"."""
    found = re.findall(r"(\d+)-(\d+)", text)
    return tuple((int(first), int(last)) for first, last in found)


def parse_attributes(text: str) -> dict[str, float | str]:
    """Values by name."""
    return _parse(text, "attribute")


def refusal(previous: dict[str, Any], current: dict[str, Any], policy: str) -> str | None:
    """Why an agent that was `previous` may not go on as `current`, in the words of Mesos."""
    if previous == current:
        return None
    if policy != "additive":
        return "Incompatible agent info detected. "
    change = "Configuration change not permitted under 'additive' policy: "
    for name in ("hostname", "port"):
        if previous[name] != current[name]:
            return f"{change}{name} changed from {previous[name]} to {current[name]}"
    resources, attributes = current["resources"], current["attributes"]
    for name, value in previous["resources"].items():
        now = resources.get(name, 0.0)
        if isinstance(value, str):
            if now != value:
                return f"{change}Previous value of range resource '{name}' ({value}) not included"
        elif now < value:
            return f"{change}Value of scalar resource '{name}' decreased from {value} to {now}"
    for name, value in previous["attributes"].items():
        if name not in attributes:
            return f"{change}Couldn't find attribute {name}"
        if attributes[name] != value:
            return f"{change}Value of attribute '{name}' changed from {value} to {attributes[name]}"
    return None


def _parse(text: str, what: str) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, value = part.partition(":")
        if not colon or not name or not value:
            raise FlagError(f"Failed to parse {what} '{part}'")
        found[name] = float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value
    return found
