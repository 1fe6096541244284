"""Steps for playbooks of tests, and what is seen of them."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from conftest import PATIENCE, Checkout

TOUCH = """\
  - name: Touch
    ansible.builtin.copy:
      dest: "{{ inventory_dir }}/{{ inventory_hostname }}.touched"
      content: x
      mode: "0600"
"""
FIND = """\
  - name: Find
    ansible.builtin.set_fact:
      lab_address: "10.1.0.{{ groups.all.index(inventory_hostname) }}"
      cacheable: true
"""
NOTE = """\
  - name: Note
    ansible.builtin.shell:
      cmd: echo "{{ inventory_hostname }} {{ ansible_play_name | lower }}" >> notes
      chdir: "{{ inventory_dir }}"
    changed_when: true
"""
FAIL = """\
  - name: Start
    ansible.builtin.command:
      cmd: sh -c 'echo too many cooks >&2; exit 3'
    changed_when: true
    when: inventory_hostname != 'host1'
"""
WARN = """\
  - name: Warn
    ansible.builtin.debug:
      msg: "WARNING: {{ inventory_hostname }}: it is old"
"""
WAIT = """\
  - name: Wait
    ansible.builtin.wait_for:
      path: "{{ inventory_dir }}/go"
"""


def write_sleep(checkout: Checkout) -> str:
    """A playbook that sleeps on all hosts; what the command lines of that have in them."""
    mark = uuid.uuid4().hex
    sleep = f"  - name: Sleep\n    ansible.builtin.command:\n      cmd: sh -c 'sleep 600; {mark}'\n"
    checkout.write_playbooks(base=f"{sleep}    changed_when: false\n")
    return mark


def are_asleep(mark: str) -> bool:
    """Whether the playbook sleeps on all hosts."""
    return len(processes_with(f"sh -c sleep 600; {mark}")) >= 3


def wait_for(fact: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until it is true; the process has to live."""
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_with(text: str) -> list[str]:
    """Command lines of all living processes that contain a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if text in line:
                found.append(line)
    return found
