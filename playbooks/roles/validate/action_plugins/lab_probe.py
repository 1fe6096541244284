"""The module lab_probe, with when its answer was there by this machine's clock: `answered`.

A task after it would tell when the last of all hosts had answered.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action.normal import ActionModule as RunModule


class ActionModule(RunModule):
    """Runs the module as Ansible does."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """The module's result and the time."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return {**result, "answered": time.time()}
