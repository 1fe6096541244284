"""Waiting for what other processes do, of which nothing tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mrunkit.hydra.mpiexec import Mpiexec

PATIENCE = 60.0
"""Seconds that something may take on a busy machine; only a test that fails waits so long."""


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again, where nothing tells."""

    async def look() -> None:
        while not holds():  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), PATIENCE)


async def finished(mpiexec: Mpiexec) -> int:
    """Its exit status."""
    return await asyncio.wait_for(mpiexec.wait(), PATIENCE)
