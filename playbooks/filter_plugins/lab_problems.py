"""What keeps a lab from being set up, for the role validate; mrunkit.provision.fitness decides."""

from __future__ import annotations

from collections.abc import Callable

from mrunkit.provision.fitness.problems import (
    lab_problems,
    lab_problems_text,
    lab_retired_hosts,
)


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """By the names that playbooks use."""
        return {
            "lab_problems": lab_problems,
            "lab_problems_text": lab_problems_text,
            "lab_retired_hosts": lab_retired_hosts,
        }
