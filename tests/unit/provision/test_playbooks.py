"""What ansible-playbook is asked to do."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from mrunkit.provision.playbooks import PlaybookRun, arguments


def test_a_lab_has_one_state_directory() -> None:
    """The one that mrunkit uses wins over the words that it was read from, which are relative."""
    run = PlaybookRun(
        playbook=Path("/playbooks/site.yml"),
        inventory=Path("/lab/inventory.ini"),
        state_dir=Path("/here/state"),
        extra_vars=("lab_state_dir=state", "lab_share=/data"),
    )
    words = arguments(run)
    given = [word for option, word in pairwise(words) if option == "--extra-vars"]
    assert given[:2] == ["lab_state_dir=state", "lab_share=/data"]
    assert json.loads(given[2]) == {"lab_state_dir": "/here/state"}
