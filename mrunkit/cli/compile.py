"""`mrunkit compile`: a program compiled in the image that will run it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def compile_(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE... [-- CFLAGS...]", help="Sources, and after -- flags for mpicc."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="  [default: the first source's name]"),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image", metavar="IMAGE", envvar="MRUNKIT_IMAGE", help="One with compilers."
        ),
    ] = None,
) -> None:
    """Compile an MPI program in an image; mpicc's messages and exit status are the command's.

    mpicc sees this directory and the sources', and nothing else of this machine. What it
    writes is yours.
    """
    from pathlib import Path

    from mrunkit.containers.compile import compile_in_image, compile_request
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import inspect_image
    from mrunkit.ending_signals import ended_by_signals
    from mrunkit.errors import UsageError
    from mrunkit.process_identity import this_process
    from mrunkit.settings import read_settings

    if image is None:
        raise UsageError(
            "which image will run it?", remedy="name it with --image, or set MRUNKIT_IMAGE"
        )
    settings = read_settings()
    request = compile_request(
        words,
        output=output,
        image=image,
        workdir=Path(settings.workdir),
        user=f"{settings.uid}:{settings.gid}",
    )
    engine = connect()
    inspect_image(engine, image)
    client = this_process(settings.hostname)
    with ended_by_signals():
        status = compile_in_image(engine, request, client=client, show=_show)
    raise typer.Exit(status)


def _show(stdout: bytes | None, stderr: bytes | None) -> None:
    for stream, piece in ((sys.stdout, stdout), (sys.stderr, stderr)):
        if piece:
            stream.buffer.write(piece)
            stream.flush()
