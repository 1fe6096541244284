"""For all tests: fixtures for those with Docker; with MRUNKIT_REQUIRE_ALL a skip fails the run.

A test may skip itself where a machine lacks what it needs. Where the whole suite is meant to run,
a skip would hide that something is not tested at all.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from mrunkit.local.launcher import may_read_memory

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["docker_fixtures"]

REQUIRE_ALL = "MRUNKIT_REQUIRE_ALL"

if not may_read_memory():
    # For MPICH 5 without mrunkit around it; with it this is the local cluster's business.
    os.environ["MPIR_CVAR_CH4_CMA_ENABLE"] = "0"

# How long one example takes says nothing on a machine that others use as well.
settings.register_profile("mrunkit", deadline=None)
settings.load_profile("mrunkit")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn success with skipped tests into failure, where all of them are required."""
    if _unwelcome_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why the run failed although no test did."""
    if skips := _unwelcome_skips(config):
        terminalreporter.write_line(f"{REQUIRE_ALL} is set: {skips} skipped, so this run failed.")


def _unwelcome_skips(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get(REQUIRE_ALL) or reporter is None:
        return 0
    return len(reporter.stats.get("skipped", []))
