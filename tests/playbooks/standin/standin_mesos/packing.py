"""Values of mrunkit's embedded cluster on their way between a stand-in master and its agents."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterable
from typing import Any


def pack(values: Iterable[Any]) -> list[str]:
    """As text for JSON."""
    return [base64.b64encode(pickle.dumps(value)).decode() for value in values]


def unpack(packed: Iterable[str]) -> list[Any]:
    """From text; both ends are of one archive and have shown their credentials."""
    return [pickle.loads(base64.b64decode(text)) for text in packed]
