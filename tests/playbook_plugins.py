"""Loads what Ansible loads by path: the filters and the module of `playbooks/`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PLAYBOOKS = Path(__file__).parents[1] / "playbooks"


def load(path: str) -> ModuleType:
    """Import a file of `playbooks/`, as Ansible does: known by name before it runs."""
    file = PLAYBOOKS / path
    spec = importlib.util.spec_from_file_location(f"playbooks_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
