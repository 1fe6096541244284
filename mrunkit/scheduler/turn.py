"""One step of a gang in the making; see `transitions.py`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .commands import Command
from .gang import TRANSITIONS, Deadline, Gang, State, Task, UnlistedTransitionError


@dataclass(slots=True)
class Turn:
    """One step in the making: the gang as it is so far, and the commands so far."""

    gang: Gang
    now: float
    commands: list[Command] = field(default_factory=list)

    def update(self, **changes: Any) -> None:
        """Replace fields of the gang, but its state."""
        self.gang = replace(self.gang, **changes)

    def do(self, *commands: Command) -> None:
        """Add commands, to be carried out in order."""
        self.commands.extend(commands)

    def enter(self, state: State) -> None:
        """Change the state, if the table lists the transition."""
        if state not in TRANSITIONS[self.gang.state]:
            raise UnlistedTransitionError(self.gang, state)
        self.update(state=state, history=(*self.gang.history, (self.now, state)))

    def set_deadline(self, deadline: Deadline, seconds: float) -> None:
        """(Re)start a deadline, so many seconds from now."""
        self.update(deadlines={**self.gang.deadlines, deadline: self.now + seconds})

    def clear_deadlines(self, *cleared: Deadline) -> None:
        """Forget deadlines, whether they were set or not."""
        kept = {key: at for key, at in self.gang.deadlines.items() if key not in cleared}
        self.update(deadlines=kept)

    def change_task(self, task: Task, **changes: Any) -> Task:
        """Replace fields of a task."""
        changed = replace(task, **changes)
        self.update(tasks={**self.gang.tasks, task.task_id: changed})
        return changed
