"""`mrunkit local`: the embedded cluster in the foreground, for any framework and many jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PORT = 5050


def local(
    agents: Annotated[
        int, typer.Option("--agents", metavar="N", min=1, max=200, help="How many.")
    ] = 4,
    cpus: Annotated[
        float, typer.Option("--cpus", metavar="N", min=0.1, help="Of each agent.")
    ] = 8.0,
    mem: Annotated[
        float, typer.Option("--mem", metavar="MB", min=32, help="Of each agent.")
    ] = 4096.0,
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="PORT", min=0, max=65535, help="Of the master; 0: a free one."
        ),
    ] = DEFAULT_PORT,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            metavar="AGENT:NAME:VALUE",
            help="Give agent number AGENT (from 1) an attribute; repeatable.",
        ),
    ] = None,
) -> None:
    """Serve a Mesos cluster on this machine until Ctrl-C; jobs and agents end with it."""
    import asyncio
    import errno
    import math
    import os

    from mrunkit.errors import MrunkitError, UsageError
    from mrunkit.local.cluster import LocalCluster
    from mrunkit.local.config import LocalConfig
    from mrunkit.local.serving import serve

    for option, amount in (("--cpus", cpus), ("--mem", mem)):
        if not math.isfinite(amount):
            raise UsageError(f"{option} {amount}: must be a number")
    config = LocalConfig(
        agents=agents,
        cpus=cpus,
        mem=mem,
        port=port,
        attributes=_parse_attributes(attributes or (), agents),
    )

    def announce(cluster: LocalCluster) -> None:
        print(f"{agents} agents with {cpus:g} cpus and {mem:g} MB each, until Ctrl-C; try:")
        print(f"  mrunkit run -N {agents} -n {agents} {cluster.address} PROGRAM", flush=True)

    try:
        asyncio.run(serve(config, announce))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise MrunkitError(
            f"cannot serve at 127.0.0.1:{port}: {os.strerror(error.errno)}",
            remedy="give another --port, or --port 0 for a free one",
        ) from error


def _parse_attributes(texts: Iterable[str], agents: int) -> dict[int, dict[str, str | float]]:
    from mrunkit.errors import UsageError

    attributes: dict[int, dict[str, str | float]] = {}
    for text in texts:
        number, _, named = text.partition(":")
        name, _, value = named.partition(":")
        if not (number.isdecimal() and 1 <= int(number) <= agents and name and value):
            raise UsageError(
                f"--attribute {text}: must be AGENT:NAME:VALUE, with AGENT from 1 to {agents}"
            )
        attributes.setdefault(int(number), {})[name] = _number_or_text(value)
    return attributes


def _number_or_text(value: str) -> str | float:
    """Mesos reads an attribute that looks like a number as one."""
    try:
        return float(value)
    except ValueError:
        return value
