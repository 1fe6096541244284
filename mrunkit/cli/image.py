"""`mrunkit image`: making, listing and moving the images that jobs run in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# Cheap: what costs time is imported where it is used.
from mrunkit.containers.build import Distribution, Target

if TYPE_CHECKING:
    from mrunkit.containers.distribute import HostResult
    from mrunkit.containers.images import ImageInfo

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str, typer.Argument(metavar="IMAGE", help="Its name, with or without tag.")]

image = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make, list and move images with MPICH."
)


@image.command()
def build(
    distribution: Annotated[
        Distribution,
        typer.Argument(
            metavar="[alpine|debian]", help="alpine: small, MPICH from source; debian: glibc."
        ),
    ] = Distribution.DEBIAN,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="NAME", help="  [default: mrunkit/DISTRIBUTION]")
    ] = None,
    mpich_version: Annotated[
        str | None,
        typer.Option("--mpich-version", metavar="VERSION", help="Of the alpine image only."),
    ] = None,
    target: Annotated[
        Target, typer.Option("--target", help="With compilers, or smaller without.")
    ] = Target.COMPILERS,
    base_image: Annotated[
        str | None,
        typer.Option("--base-image", metavar="IMAGE", help="Instead of the distribution's own."),
    ] = None,
    is_verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show all that the build prints.")
    ] = False,
) -> None:
    """Build an image, which ends by running four ranks in it."""
    from mrunkit.cli.bars import bars
    from mrunkit.containers.build import (
        BuildOutput,
        BuildStep,
        build_request,
        images_directory,
        read_versions,
    )
    from mrunkit.containers.build import build as build_image
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import inspect_image

    directory = images_directory()
    request = build_request(
        distribution,
        target,
        read_versions(directory),
        tag=tag,
        mpich_version=mpich_version,
        base_image=base_image,
    )
    engine = connect()
    is_terminal = sys.stderr.isatty() and not is_verbose
    step = BuildStep(number=0, total=0, instruction="")
    with bars(sys.stderr, is_terminal=is_terminal) as shown:
        for event in build_image(engine, directory, request):
            if isinstance(event, BuildStep):
                step = event
                name = request.tag if is_terminal else f"step {step.number} of {step.total}"
                shown.show(name, step.instruction, step.number - 1, step.total)
            elif is_verbose:
                print(event.line, file=sys.stderr, flush=True)
            elif is_terminal and isinstance(event, BuildOutput):
                shown.show(request.tag, event.line, step.number - 1, step.total)
    print(_summary(inspect_image(engine, request.tag)))


@image.command()
def ls(is_json: Json = False) -> None:
    """List this machine's images that have MPICH."""
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import list_images, short_id
    from mrunkit.output import aligned

    found = list_images(connect())
    if is_json:
        print(json.dumps([info.to_json() for info in found]))
        return
    if not found:
        print("no images with MPICH; make one: mrunkit image build debian")
        return
    rows: list[tuple[str, ...]] = [("NAME", "MPICH", "LIBC", "SIZE", "ID", "CREATED")]
    rows += [
        (
            info.name,
            info.mpich_version,
            info.libc or "-",
            _megabytes(info.size),
            short_id(info.image_id),
            info.created[:10],
        )
        for info in found
    ]
    print("\n".join(aligned(rows)))


@image.command()
def inspect(name: Name, is_json: Json = False) -> None:
    """Show an image: its MPICH, C library, size, digest and user."""
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import inspect_image
    from mrunkit.output import aligned

    info = inspect_image(connect(), name)
    if is_json:
        print(json.dumps(info.to_json()))
        return
    known = info.to_json()
    libc = f"{known['libc']} {known['libc_version']}".strip()
    rows: list[tuple[str, ...]] = [
        ("name", info.name),
        ("mpich", info.mpich_version or "not told (no label mrunkit.mpich)"),
        ("libraries", " ".join(known["mpi_libraries"]) or "not told"),
        ("libc", libc or "not told (no label mrunkit.libc)"),
        ("machine", known["architecture"]),
        ("size", _megabytes(info.size)),
        ("digest", info.digest or "none: no registry has it"),
        ("id", info.image_id),
        ("tags", " ".join(info.tags) or "none"),
        ("user", info.user or "root"),
        ("created", info.created),
    ]
    print("\n".join(aligned(rows)))


@image.command()
def push(name: Name) -> None:
    """Push an image to the registry in its name, for hosts to pull."""
    from mrunkit.cli.bars import bars
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import inspect_image, unmark_shipped
    from mrunkit.containers.push import ImagePushed
    from mrunkit.containers.push import push as push_image

    engine = connect()
    info = inspect_image(engine, name)
    digest = ""
    with bars(sys.stderr, is_terminal=sys.stderr.isatty()) as shown:
        for event in push_image(engine, name):
            if isinstance(event, ImagePushed):
                digest = event.digest
            else:
                shown.show(event.layer, event.state, event.done, event.total)
    unmark_shipped(engine, info)
    print(f"{name} is pushed: {digest}")


@image.command()
def distribute(
    inventory: Annotated[
        Path, typer.Argument(metavar="INVENTORY", help="Of Ansible: inventory.ini.")
    ],
    name: Name,
    limit: Annotated[
        str | None,
        typer.Option("--limit", metavar="PATTERN", help="Only these hosts or groups."),
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=1, help="Hosts at a time.")
    ] = 8,
    is_json: Json = False,
) -> None:
    """Bring an image to hosts without a registry, over ssh; those that have it are skipped."""
    from mrunkit.cli.bars import bars
    from mrunkit.cli.playbook import require_hosts
    from mrunkit.containers.distribute import Archive, Outcome, require_name, save_image
    from mrunkit.containers.distribute import distribute as distribute_image
    from mrunkit.containers.engine import connect
    from mrunkit.containers.images import inspect_image, mark_shipped
    from mrunkit.errors import ExitStatus
    from mrunkit.inventory import read_inventory
    from mrunkit.settings import read_settings
    from mrunkit.ssh import connected

    settings = read_settings()
    require_hosts(limit)
    hosts = read_inventory(inventory, limit=limit)
    engine = connect()
    info = inspect_image(engine, name)
    require_name(info)
    with (
        bars(sys.stderr, is_terminal=settings.is_terminal) as shown,
        Archive(lambda: save_image(engine, name)) as archive,
    ):
        results = distribute_image(
            info, hosts, archive, connect=connected, parallel=parallel, progress=shown
        )
    if any(result.outcome is not Outcome.FAILED for result in results):
        mark_shipped(engine, info)
    print(_results_json(results) if is_json else _results_table(results))
    if any(result.outcome is Outcome.FAILED for result in results):
        raise typer.Exit(ExitStatus.FAILED)


def _results_table(results: list[HostResult]) -> str:
    from mrunkit.output import aligned

    rows: list[tuple[str, ...]] = [("HOST", "IMAGE", "MESSAGE")]
    rows += [
        (
            result.host,
            result.outcome.value,
            "; ".join(filter(None, (*result.message.splitlines(), result.remedy))),
        )
        for result in results
    ]
    return "\n".join(aligned(rows))


def _results_json(results: list[HostResult]) -> str:
    return json.dumps(
        [
            {
                "host": result.host,
                "outcome": result.outcome.value,
                "message": result.message,
                "remedy": result.remedy,
            }
            for result in results
        ]
    )


def _summary(info: ImageInfo) -> str:
    return f"{info.name}: MPICH {info.mpich_version} on {info.libc}, {_megabytes(info.size)}"


def _megabytes(size: int) -> str:
    """In Docker's own unit, a million bytes."""
    return f"{size / 1e6:.0f} MB"
