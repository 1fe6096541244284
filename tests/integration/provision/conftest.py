"""`mrunkit bootstrap` with playbooks of a test's own, on hosts that are all this machine.

A directory with a link to the package and a directory `playbooks` beside it is a checkout for
mrunkit: there it finds the playbooks that it runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mrunkit.local.stragglers import kill_marked

ROOT = Path(__file__).parents[3]
PATIENCE = 60

INVENTORY = """\
[masters]
host0
[agents]
host[1:2]
[all:vars]
ansible_connection=local
ansible_python_interpreter={python}
"""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A place with playbooks, an inventory, and the command."""

    directory: Path
    temporary: Path
    """Where mrunkit makes its temporary files."""
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def inventory(self) -> Path:
        """Of three hosts."""
        return self.directory / "lab" / "inventory.ini"

    @property
    def state_dir(self) -> Path:
        """What mrunkit keeps of the lab."""
        return self.inventory.parent / ".mrunkit"

    def write_playbooks(self, **steps: str) -> None:
        """Write site.yml and the playbooks that it imports, all with the same head."""
        playbooks = self.directory / "playbooks"
        imports = [
            f"- name: {step.title()}\n  ansible.builtin.import_playbook: {step}.yml\n"
            for step in steps
        ]
        (playbooks / "site.yml").write_text("".join(imports))
        for step, tasks in steps.items():
            self.write_playbook(step, tasks)

    def write_playbook(self, name: str, tasks: str) -> None:
        """Write a playbook of one play."""
        head = f"- name: {name.title()}\n  hosts: all\n  gather_facts: false\n"
        file = self.directory / "playbooks" / f"{name}.yml"
        file.write_text(f"{head}  tags: [{name}]\n  tasks:\n{tasks}")

    def start(
        self,
        *words: str | Path,
        stdin: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
        **environ: str,
    ) -> subprocess.Popen[str]:
        """Start the command, with more in its environment; it is ended with the test."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mrunkit", *map(str, words)],
            cwd=self.directory / "lab",
            env={
                **os.environ,
                "PYTHONPATH": str(self.directory),
                "TMPDIR": str(self.temporary),
                **environ,
            },
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*words)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def notes(self) -> list[str]:
        """Lines `HOST STEP` that steps have written."""
        return (self.inventory.parent / "notes").read_text().splitlines()

    def bootstrap(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Bootstrap, without the doctor, for nothing here is a lab."""
        return self.run("bootstrap", "inventory.ini", "--no-doctor", *words)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory of which the name is short, or mrunkit would take /tmp."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture
def checkout(tmp_path: Path, temporary: Path) -> Iterator[Checkout]:
    """With no playbooks yet."""
    made = Checkout(directory=tmp_path, temporary=temporary)
    for name in ("mrunkit", "inventory"):
        (tmp_path / name).symlink_to(ROOT / name)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # or the commands would heed a nohup of the tests
    made.inventory.parent.mkdir()
    made.inventory.write_text(INVENTORY.format(python=sys.executable))
    for file in ("ansible.cfg", "roles/lab/defaults/main.yml"):
        target = tmp_path / "playbooks" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "playbooks" / file, target)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    # What a failed test left running.
    kill_marked(f"TMPDIR={made.temporary}")
