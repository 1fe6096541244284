"""`mrunkit lab`: hosts to try things on, all on this machine."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# Cheap: what costs time is imported where it is used.
from mrunkit.lab.request import (
    DEFAULT_CGROUPS,
    DEFAULT_CPUS,
    DEFAULT_HOSTS,
    DEFAULT_MEMORY,
    DEFAULT_NAME,
    DEFAULT_SUITE,
    MOST_HOSTS,
    Acceleration,
    Backend,
    Suite,
)

if TYPE_CHECKING:
    from mrunkit.lab.directory import LabDirectory, Labs
    from mrunkit.lab.life import HostBackend, Sight, Up
    from mrunkit.lab.record import LabRecord

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Of the lab.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

_LISTING_SECONDS = 10
"""For an engine to tell of its containers, which takes it no time."""

lab = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Make hosts on this machine to try things on."
)


@lab.command()
def up(
    name: Name = DEFAULT_NAME,
    hosts: Annotated[
        int | None,
        typer.Option(
            "--hosts", metavar="N", min=1, max=MOST_HOSTS, help=f"  [default: {DEFAULT_HOSTS}]"
        ),
    ] = None,
    backend: Annotated[
        Backend,
        typer.Option("--backend", help="docker: containers, fast; qemu: guests with own kernel."),
    ] = Backend.DOCKER,
    suite: Annotated[
        Suite | None,
        typer.Option(
            "--suite",
            help=f"Debian 12, 13, or Ubuntu 22.04, 24.04.  [default: {DEFAULT_SUITE.value}]",
        ),
    ] = None,
    is_ready: Annotated[
        bool, typer.Option("--ready", help="Hosts that have the packages bootstrap installs.")
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="PACKAGE", help="Hosts have this too; repeatable."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", metavar="URL", help="Of the distribution.  [default: as apt here]"
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="Cloud image (qcow2) for qemu's guests."),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            "--memory",
            metavar="MB",
            min=512,
            help=f"Of each of qemu's guests.  [default: {DEFAULT_MEMORY}]",
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option(
            "--cpus",
            metavar="N",
            min=1,
            max=64,
            help=f"Of each of qemu's guests.  [default: {DEFAULT_CPUS}]",
        ),
    ] = None,
    acceleration: Annotated[
        Acceleration | None,
        typer.Option(
            "--accel", help=f"How qemu's guests run.  [default: {Acceleration.AUTO.value}]"
        ),
    ] = None,
    cgroups: Annotated[
        int | None,
        typer.Option(
            "--cgroups",
            metavar="1|2",
            min=1,
            max=2,
            help="Version in qemu's guests; agents of Apache Mesos need 1.  "
            f"[default: {DEFAULT_CGROUPS}]",
        ),
    ] = None,
    is_json: Json = False,
) -> None:
    """Make hosts with systemd and sshd, and an inventory for them.

    The first lab makes a base tree of packages, which takes a minute or two, debootstrap and root;
    the next ones of its kind use it again. A lab that is there already is started if need be,
    and refused if it has not what is asked for.
    """
    from mrunkit.cli.bars import bars
    from mrunkit.ending_signals import ended_by_signals
    from mrunkit.lab import life
    from mrunkit.lab.request import GuestSize, LabRequest, check_name, check_request, recipe

    check_name(name)
    request = LabRequest(
        name=name,
        backend=backend,
        hosts=hosts,
        suite=suite,
        recipe=recipe(
            backend,
            suite or DEFAULT_SUITE,
            is_ready=is_ready,
            extra=tuple(include or ()),
            mirror=mirror,
        ),
        image=image.resolve() if image is not None else None,
        size=GuestSize(memory=memory, cpus=cpus, acceleration=acceleration, cgroups=cgroups),
    )
    check_request(request)
    with ended_by_signals(), bars(sys.stderr, is_terminal=sys.stderr.isatty()) as shown:
        done = life.up(request, _labs(), _connect, progress=shown)
    if is_json:
        (sight,) = life.look([done.lab], _connect)
        print(json.dumps(_entry(done.directory, done.lab, sight)))
    else:
        print(_result(done))


@lab.command()
def ls(is_json: Json = False) -> None:
    """List the labs of this account, with their hosts."""
    from functools import partial

    from mrunkit.errors import ExitStatus
    from mrunkit.lab.life import look
    from mrunkit.lab.request import LabError
    from mrunkit.output import say_error

    found = _labs().all()
    readable = [lab for _, lab in found if not isinstance(lab, LabError)]
    sights = look(readable, partial(_connect, engine_seconds=_LISTING_SECONDS))
    unseen = iter(sights)
    entries = [
        _unreadable(directory)
        if isinstance(lab, LabError)
        else _entry(directory, lab, next(unseen))
        for directory, lab in found
    ]
    errors = [lab for _, lab in found if isinstance(lab, LabError)]
    # Of an engine it is the same for all of its labs.
    unknown = {str(sight.error): sight.error for sight in sights if sight.error is not None}
    if is_json:
        print(json.dumps(entries))
    else:
        print(_table(entries) if entries else "no labs; make one: mrunkit lab up")
    for error in [*errors, *unknown.values()]:
        say_error(error)
    if errors:
        raise typer.Exit(ExitStatus.FAILED)


# What follows HOST belongs to the command there.
@lab.command(context_settings={"allow_interspersed_args": False})
def ssh(
    host: Annotated[str, typer.Argument(metavar="HOST", help="As `lab ls` names it.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="Run this there, instead of a shell."),
    ] = None,
    name: Name = DEFAULT_NAME,
) -> None:
    """Log in to a host, or run a command there."""
    from mrunkit.errors import MrunkitError, UsageError
    from mrunkit.lab.readiness import ssh_words

    directory, found = _labs().find(_checked(name))
    if found.host(host) is None:
        names = ", ".join(other.name for other in found.hosts)
        raise UsageError(f"lab {name} has no {host}", remedy=f"it has: {names}")
    try:
        os.execvp("ssh", [*ssh_words(directory.ssh_config, host), *(command or ())])
    except FileNotFoundError as error:
        raise MrunkitError(
            "there is no ssh", remedy="install it: apt-get install openssh-client"
        ) from error


@lab.command()
def down(name: Name = DEFAULT_NAME) -> None:
    """Remove a lab: hosts, disks, networks and files. Base trees stay for the next one."""
    from mrunkit.lab import life

    removed = life.down(_checked(name), _labs(), _connect)
    print(f"lab {removed.name} is gone")


def _checked(name: str) -> str:
    from mrunkit.lab.request import check_name

    check_name(name)
    return name


def _labs() -> Labs:
    from mrunkit.lab.directory import Labs
    from mrunkit.settings import read_settings

    return Labs(read_settings().state_dir / "labs")


def _connect(backend: Backend, *, engine_seconds: int | None = None) -> HostBackend:
    """The backend, on this machine; raises MrunkitError if it is not there.

    `engine_seconds`: how long Docker may take to answer.
    """
    from mrunkit.settings import cache_dir, read_settings

    environ = read_settings().environ
    cache = cache_dir(environ, Path.home()) / "lab"
    if backend is Backend.DOCKER:
        from mrunkit.containers.engine import ENGINE_SECONDS, connect
        from mrunkit.lab.docker_hosts import DockerHosts

        engine = connect(seconds=engine_seconds or ENGINE_SECONDS)
        return DockerHosts(engine, cache, docker_host=environ.get("DOCKER_HOST") or None)
    from mrunkit.lab.qemu_hosts import QemuHosts

    return QemuHosts(cache, _labs())


def _entry(directory: LabDirectory, found: LabRecord, sight: Sight) -> dict[str, Any]:
    """A lab, as --json tells it."""
    from dataclasses import asdict

    from mrunkit.lab.record import lab_state

    return {
        "name": found.name,
        "backend": found.backend.value,
        "state": lab_state(found, sight.states),
        "created": found.created,
        "base": found.base,
        "inventory": str(directory.inventory),
        "ssh_config": str(directory.ssh_config),
        "hosts": [{**asdict(host), "state": sight.states[host.name].value} for host in found.hosts],
    }


def _unreadable(directory: LabDirectory) -> dict[str, Any]:
    """The same of a lab of which only the name can be told."""
    unknown = dict.fromkeys(("backend", "created", "base"))
    files = {"inventory": str(directory.inventory), "ssh_config": str(directory.ssh_config)}
    return {"name": directory.name, "state": "unreadable", **unknown, **files, "hosts": []}


def _table(entries: list[dict[str, Any]]) -> str:
    from mrunkit.output import aligned

    rows: list[tuple[str, ...]] = [("LAB", "BACKEND", "HOST", "STATE", "ADDRESS", "SSH")]
    for entry in entries:
        backend = entry["backend"] or "-"
        if not entry["hosts"]:
            rows.append((entry["name"], backend, "-", entry["state"], "-", "-"))
        for host in entry["hosts"]:
            ssh = f"{host['user']}@{host['ssh_address']}:{host['ssh_port']}"
            state = host["state"] if entry["state"] != "incomplete" else "incomplete"
            rows.append((entry["name"], backend, host["name"], state, host["address"], ssh))
    return "\n".join(aligned(rows))


def _result(done: Up) -> str:
    """What is there now, and what to do with it."""
    named = "" if done.lab.name == DEFAULT_NAME else f" --name {done.lab.name}"
    first = done.lab.hosts[0].name
    lines = [
        f"lab {done.lab.name} is up{' already' if done.was_up else ''}: "
        + " ".join(host.name for host in done.lab.hosts)
    ]
    lines += [
        f"  {one.host}: did not start: {' '.join(one.failed_units)}" for one in done.incomplete
    ]
    lines += [
        f"inventory  {done.directory.inventory}",
        f"log in     mrunkit lab ssh{named} {first}",
        f"next       mrunkit bootstrap {shlex.quote(str(done.directory.inventory))}",
        f"remove     mrunkit lab down{named}",
    ]
    return "\n".join(lines)
