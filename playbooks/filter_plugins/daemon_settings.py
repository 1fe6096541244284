"""What a lab changes in a file of settings that somebody else has settings in, too.

Pure: values in, values out; nothing of Ansible is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

MISSING = object()
"""Where there is no such setting."""


def daemon_settings_of_host(
    now: Mapping[str, Any], record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The settings without what the lab wrote there, and with what it replaced.

    `record` has what was there `before`, and what was `written`: the latest and the one before, as
    a run may have been cut off between its record and its file. What has been changed since stays.
    """
    before, written = (record or {}).get("before", {}), (record or {}).get("written", [])
    settings = {}
    for key in [*now, *(key for key in before if key not in now)]:
        value = _of_host(
            now.get(key, MISSING),
            before.get(key, MISSING),
            [some.get(key, MISSING) for some in written],
        )
        if value is not MISSING:
            settings[key] = value
    return settings


def _of_host(now: Any, before: Any, written: Sequence[Any]) -> Any:
    parts = [value for value in written if isinstance(value, Mapping)]
    if not isinstance(now, Mapping) or not parts:
        return before if now in written else now
    was = before if isinstance(before, Mapping) else {}
    rest = daemon_settings_of_host(now, {"before": was, "written": parts})
    return rest if rest or isinstance(before, Mapping) else before


def daemon_settings_replaced(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The settings of the host that are others then, or gone."""
    return list(_replaced(before, wanted, ""))


def _replaced(before: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in before.items():
        new = wanted.get(key, MISSING)
        if isinstance(value, Mapping) and isinstance(new, Mapping):
            yield from _replaced(value, new, f"{prefix}{key}.")
        elif value != new:
            yield f"{prefix}{key}"


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """By the names that playbooks use."""
        return {
            "daemon_settings_of_host": daemon_settings_of_host,
            "daemon_settings_replaced": daemon_settings_replaced,
        }
