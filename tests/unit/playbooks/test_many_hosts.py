"""That work here grows with the hosts, and not with their square."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook_plugins import PLAYBOOKS

ROLES = sorted(path.name for path in (PLAYBOOKS / "roles").iterdir())
ALL_HOSTS = re.compile(r"groups\.all|ansible_play_hosts")
EACH = re.compile(r"map\('extract', hostvars|hostvars\[host\]")


def asks_all_hosts(text: str) -> bool:
    """Whether an expression looks at the variables of each host of the lab."""
    return bool(ALL_HOSTS.search(text) and EACH.search(text))


def expensive_variables(role: Path) -> set[str]:
    """The variables of a role that ask all hosts, or are made of such."""
    texts = {
        name: str(value)
        for file in [*role.glob("vars/*.yml"), *role.glob("defaults/*.yml")]
        for name, value in (yaml.safe_load(file.read_text()) or {}).items()
    }
    found = {name for name, text in texts.items() if asks_all_hosts(text)}
    while more := {name for name in texts if mentions(texts[name], found)} - found:
        found |= more
    return found


def mentions(text: str, names: set[str]) -> bool:
    """Whether one of these names is in a text."""
    return bool(names & set(re.findall(r"\w+", text)))


def tasks_of(role: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All tasks of a role and where they are, those in blocks without what their block says."""

    def walk(tasks: list[dict[str, Any]], *, is_once: bool) -> Iterator[Mapping[str, Any]]:
        for task in tasks:
            once = is_once or bool(task.get("run_once"))
            yield {**{key: task[key] for key in task if key != "block"}, "run_once": once}
            yield from walk(task.get("block", []), is_once=once)

    for file in [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]:
        for task in walk(yaml.safe_load(file.read_text()), is_once=False):
            yield file.name, task


@pytest.mark.parametrize("name", ROLES)
def test_what_asks_all_hosts_is_asked_once(name: str) -> None:
    """A host's variables take 2 ms to have: asked by each of 500 hosts it is 8 minutes a task."""
    role = PLAYBOOKS / "roles" / name
    variables = expensive_variables(role)
    templates = {file.name: file.read_text() for file in role.glob("templates/*")}
    slow = []
    for file, task in tasks_of(role):
        text = str(task)
        text += "".join(content for src, content in templates.items() if src in text)
        if (asks_all_hosts(text) or mentions(text, variables)) and not task["run_once"]:
            slow.append(f"{file}: {task['name']}")
    assert slow == []
