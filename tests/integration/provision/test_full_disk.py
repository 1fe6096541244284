"""A playbook on a lab where something cannot be written."""

from __future__ import annotations

import os
import resource
import sys
import uuid
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import PATIENCE, Checkout
from steps import FAIL, FIND, TOUCH, processes_with

from mrunkit.provision.apply import Applied, apply
from mrunkit.provision.lab import read_lab
from mrunkit.provision.playbooks import PlaybookRun
from mrunkit.provision.progress import Progress
from mrunkit.provision.state_dir import ProvisionError

NOW = datetime(2026, 11, 22, 22, 0, 0)
LOG = "logs/bootstrap-20261122-220000.log"
FULL = "No space left on device"
MUCH = """\
  - name: Much
    ansible.builtin.command:
      cmd: sh -c '[ {{{{ inventory_hostname }}}} = host0 ] || sleep 600; echo {mark}'
    loop: "{{{{ range(10) | list }}}}"
    loop_control:
      label: "{{{{ 'x' * 60000 }}}}"
    changed_when: false
"""
"""One host says more than there is room for, while the others are at work."""


class Watcher:
    """Knows how far it is."""

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def printed(self, text: str) -> None:
        """Forget it."""

    def advanced(self, progress: Progress) -> None:
        """Keep it."""
        self.progress = progress

    def note(self, text: str) -> None:
        """Forget it."""


def site(checkout: Checkout) -> PlaybookRun:
    """A run of site.yml."""
    return PlaybookRun(
        playbook=checkout.directory / "playbooks" / "site.yml",
        inventory=checkout.inventory,
        state_dir=checkout.state_dir,
    )


def apply_site(checkout: Checkout, watcher: Watcher) -> Applied:
    """Apply it, at a moment by which the log is named."""
    return apply(site(checkout), read_lab(checkout.inventory), os.environ, watcher, now=NOW)


@pytest.fixture
def full_log(checkout: Checkout) -> Path:
    """A log for which there is no room."""
    log = checkout.state_dir / LOG
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/full")
    return log


def test_a_lab_is_made_without_a_log(checkout: Checkout, full_log: Path) -> None:
    """The lab counts; how it goes is shown, and that the log ends early is told in the end."""
    checkout.write_playbooks(validate=FIND, base=TOUCH)
    watcher = Watcher()
    applied = apply_site(checkout, watcher)
    assert applied.progress.changed == {"host0", "host1", "host2"}
    assert watcher.progress == applied.progress
    assert applied.warnings == (f"the log ends early: cannot write {full_log}: {FULL}",)


def test_failures_are_explained_without_a_log(checkout: Checkout, full_log: Path) -> None:
    """As with one, but that it has not all."""
    checkout.write_playbooks(base=FAIL)
    with pytest.raises(ProvisionError, match="base: Start: too many cooks") as raised:
        apply_site(checkout, Watcher())
    told = f"what Ansible said, as far as it could be written ({FULL}): {full_log}"
    assert raised.value.remedy == told


def test_addresses_that_cannot_be_kept_are_told(checkout: Checkout) -> None:
    """Without them there is no lab, although nothing else failed."""
    checkout.write_playbooks(validate=FIND)
    checkout.state_dir.mkdir()
    (checkout.state_dir / "addresses.new").symlink_to("/dev/full")
    told = f"cannot keep the hosts' addresses in {checkout.state_dir}: {FULL}"
    with pytest.raises(ProvisionError, match=told):
        apply_site(checkout, Watcher())


def test_ansible_is_ended_where_it_cannot_be_followed(checkout: Checkout) -> None:
    """What there was no room for is told, and nothing goes on that nobody would hear of."""
    mark = uuid.uuid4().hex
    checkout.write_playbooks(base=MUCH.format(mark=mark))
    process = checkout.start("bootstrap", "inventory.ini", "--no-doctor")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 125
    assert "mrunkit: Ansible cannot be run here: File too large\n" in stderr
    assert f"temporary files in {checkout.temporary}?" in stderr
    assert processes_with(mark) == []
