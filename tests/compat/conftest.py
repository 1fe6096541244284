"""pymesos as it is, and answers that a real Mesos master gave."""

from __future__ import annotations

import importlib
import json
import logging
import signal
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def pymesos_process() -> ModuleType:
    """`pymesos.process`, without the SIGINT handler and the log handler that its import sets."""
    sigint_handler = signal.getsignal(signal.SIGINT)
    log_handlers = list(logging.getLogger("pymesos").handlers)
    try:
        return importlib.import_module("pymesos.process")
    finally:
        signal.signal(signal.SIGINT, sigint_handler)
        logging.getLogger("pymesos").handlers = log_handlers


@pytest.fixture(scope="session")
def recorded() -> dict[str, bytes]:
    """Answers of Apache Mesos 1.11.0, byte for byte, by what they answer.

    `subscribe` goes up to the first offer; the stream was still open then.
    """
    path = Path(__file__).with_name("recorded_answers.json")
    return {name: answer.encode() for name, answer in json.loads(path.read_text()).items()}
