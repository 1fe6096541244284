"""What bootstrap keeps of a lab in its state directory for later: JSON files, each of one value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mrunkit.errors import MrunkitError


def read_kept(file: Path, kind: type, what: str) -> Any:
    """The value, which is of a kind, or None before there is one; raises MrunkitError."""
    try:
        value = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MrunkitError(
            f"cannot read {file}, {what}: {error.strerror}",
            remedy="is this the account that the lab belongs to?",
        ) from error
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise MrunkitError(
            f"{file} does not hold {what}",
            remedy="remove it; the next bootstrap of all hosts writes it again",
        )
    return value


def keep(file: Path, value: Any) -> None:
    """Write the value, all or nothing; raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(value, indent=2) + "\n")
    new.replace(file)
