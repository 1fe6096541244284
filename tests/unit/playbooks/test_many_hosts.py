"""That work here grows with the hosts, and not with their square."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_here import ansible, needs_ansible, play_here
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


NEIGHBOURS = """
- hosts: all
  gather_facts: false
  connection: local
  vars_files: [{roles}/base/defaults/main.yml]
  tasks:
    - ansible.builtin.include_role: {{name: base, tasks_from: neighbours.yml}}
      when: base_neighbours | int > 0
"""


@needs_ansible
@pytest.mark.parametrize(
    ("hosts", "asked", "changed"),
    [
        (3, "", False),
        (101, "base_neighbours=1", False),
        (3, "base_neighbours=1000000000", True),
    ],
    ids=["few hosts", "the kernel allows more", "the kernel allows less"],
)
def test_the_kernel_may_know_all_neighbours(
    tmp_path: Path, hosts: int, asked: str, *, changed: bool
) -> None:
    """It keeps 1,024 by default, for all networks and containers; what is more is not reached."""
    (tmp_path / "play.yml").write_text(NEIGHBOURS.format(roles=PLAYBOOKS / "roles"))
    names = ",".join(f"host{index}" for index in range(hosts))
    words = ["-i", f"{names},", "--limit", "host0", "--check", tmp_path / "play.yml"]
    variables = ["-e", f"ansible_python_interpreter={sys.executable} {asked}"]
    ended = ansible("ansible-playbook", *words, *variables, directory=tmp_path)
    assert ended.returncode == 0
    assert ("changed=1" in ended.stdout) == changed


LOOK = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.import_role: {name: validate, tasks_from: look.yml}
      vars: {validate_reached: {rc: 0, stdout: ""}, validate_free_mib: {}}
    - ansible.builtin.copy:
        content: "{{ hostvars | dict2items | map(attribute='value.validate_probed') | list }}"
        dest: "{{ told }}"
        mode: "0600"
      run_once: true
"""


@needs_ansible
def test_a_clock_is_read_between_a_hosts_own_question_and_answer(tmp_path: Path) -> None:
    """Its answer is taken before others are asked: a bound of all 500 hosts' time is none."""
    told = tmp_path / "told"
    words = ("--forks", "1")
    inventory = "host0,host1,host2,"
    ended = play_here(LOOK, {"told": str(told)}, *words, directory=tmp_path, inventory=inventory)
    assert ended.returncode == 0, ended.stdout
    read = [probed["probe"] | probed for probed in json.loads(told.read_text())]
    times = [it[time] for it in read for time in ("clock_asked", "clock", "answered")]
    assert times == sorted(times)


def asks_one_host(task: Mapping[str, Any]) -> bool:
    """Whether many hosts' turns of a task may all be one host's work at once."""
    asked = str(task.get("delegate_to", "localhost"))
    return asked not in ("localhost", "{{ item }}") and not task["run_once"]


@pytest.mark.parametrize("name", ROLES)
def test_one_host_is_asked_by_few_at_a_time(name: str) -> None:
    """Of 50 sessions at once with one sshd, 40 are refused, and 15 of their 40 logins as well."""
    role = PLAYBOOKS / "roles" / name
    asked = [(file, task) for file, task in tasks_of(role) if asks_one_host(task)]
    assert [f"{file}: {task['name']}" for file, task in asked if "throttle" not in task] == []


@needs_ansible
def test_ssh_is_tried_again_where_sshd_hangs_up(tmp_path: Path) -> None:
    """As on many logins at once, through a host that leads to all others."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f"#!/bin/sh\n[ ! -e {tmp_path}/asked ] || exit 0\ntouch {tmp_path}/asked\n"
        "echo 'kex_exchange_identification: read: Connection reset by peer' >&2\nexit 255\n"
    )
    ssh.chmod(0o755)
    asked = ["host1", "-i", "host1,", "-m", "raw", "-a", "true"]
    ended = ansible("ansible", *asked, "-e", f"ansible_ssh_executable={ssh}", directory=tmp_path)
    assert ended.returncode == 0
