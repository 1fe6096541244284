"""What is wrong with the options of `run`, all of it at once."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from mrunkit.cli.run_options import RunOptions, is_local, split_hosts
from mrunkit.containers.options import DEFAULT_NETWORK
from mrunkit.settings import Settings

MOST_NODES = 100_000
"""No cluster has so many agents; beyond this a mistyped number is likelier than a wish."""


MOST_RANKS = 1_000_000


MOST_OF_ANYTHING = 1e12
"""Cpus, MB or seconds: far above what there is, and far below where numbers lose their meaning."""


LEAST_CPUS = 0.01
"""Mesos launches nothing on less."""


_SIZE = r"\d+[bkmgBKMG]?"
"""As Docker reads one: bytes, or with a unit."""


def option_problems(options: RunOptions, settings: Settings) -> list[str]:
    """A line for each thing that makes no sense, whatever the cluster is."""
    return [
        *_count_problems(options),
        *_amount_problems(options),
        *_list_problems(options, settings),
        *_text_problems(options, settings),
        *_file_problems(options),
        *_container_problems(options),
    ]


def _count_problems(options: RunOptions) -> list[str]:
    problems = []
    procs = options.ranks
    if options.nodes < 1:
        problems.append(f"-N {options.nodes}: at least 1 node is needed")
    if options.nodes > MOST_NODES:
        problems.append(f"-N {options.nodes}: must be {MOST_NODES} or fewer")
    if procs < 1:
        problems.append(f"-n {procs}: at least 1 rank is needed")
    elif options.procs is not None and procs > MOST_RANKS:
        problems.append(f"-n: must be {MOST_RANKS} or fewer")
    elif procs < options.nodes:
        problems.append(f"-n {procs} ranks cannot fill -N {options.nodes} nodes: ask for fewer")
    if options.retries < 0:
        problems.append(f"--retries {options.retries}: must not be negative")
    return problems


def _amount_problems(options: RunOptions) -> list[str]:
    amounts = (
        ("-c", options.cores, LEAST_CPUS),
        ("-m", options.mem, 1),
        ("--wait", options.wait, 0),
        ("--start-timeout", options.start_timeout, 1),
        ("--time-limit", options.time_limit, 0.001),
    )
    problems = []
    for option, amount, least in amounts:
        if amount is None or least <= amount <= MOST_OF_ANYTHING:
            continue
        is_too_much = math.isfinite(amount) and amount > least
        bound = f"{MOST_OF_ANYTHING:g} or less" if is_too_much else f"a number of at least {least}"
        problems.append(f"{option} {amount}: must be {bound}")
    return problems


def _list_problems(options: RunOptions, settings: Settings) -> list[str]:
    problems = [
        f"--constraint {text}: must be ATTRIBUTE:VALUE"
        for text in options.constraints
        if not all(text.partition(":")[::2])
    ]
    for text in options.env:
        name, equals, _ = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            problems.append(f"-x {text}: must be NAME or NAME=VALUE")
        elif not equals and name not in settings.environ:
            problems.append(f"-x {name}: is not set here; give it a value with -x {name}=VALUE")
    if options.hosts and not split_hosts(options.hosts):
        problems.append("--hosts: names no host")
    both = set(split_hosts(options.hosts)) & set(split_hosts(options.exclude))
    problems += [f"{host} is both in --hosts and in --exclude" for host in sorted(both)]
    if not re.fullmatch(r"\*|[^-./\s][^/\s]*(/[^-./\s][^/\s]*)*", options.role):
        problems.append(f"--role {options.role}: is not a role's name")
    return problems


def _text_problems(options: RunOptions, settings: Settings) -> list[str]:
    """Of what is sent to Mesos as JSON, which is text; mpiexec gets all else byte by byte."""
    sent = {
        "--name": options.name,
        "--workdir": str(Path(settings.workdir, options.workdir or ".")),
        "--role": options.role,
        "--run-as": options.run_as,
        "--principal": options.principal,
        "--mpiexec": options.mpiexec,
        "--advertise": options.advertise,
        "--image": options.image,
        "--network": options.network,
        "--share": None if options.share is None else str(options.share),
        "--volume": " ".join(options.volumes),
        "--gpus": options.gpus,
        "--docker-parameter": " ".join(options.docker_parameters),
    }
    return [
        f"{flag} {shown(text)}: is not UTF-8, and Mesos takes nothing else"
        for flag, text in sent.items()
        if text is not None and shown(text) != text
    ]


def _file_problems(options: RunOptions) -> list[str]:
    problems = []
    if (options.principal is None) != (options.secret_file is None):
        problems.append("--principal and --secret-file go together")
    if options.secret_file is not None and not os.access(options.secret_file, os.R_OK):
        problems.append(f"--secret-file {options.secret_file}: cannot be read")
    for flag, directory in (
        ("--output-dir", options.output_dir),
        ("--events", options.events.parent if options.events else None),
    ):
        if directory is not None and directory.exists() and not directory.is_dir():
            problems.append(f"{flag} {directory}: is not a directory")
    if options.is_labelled and options.output_dir is not None:
        problems.append("--label and --output-dir exclude each other: a file has one rank")
    return problems


def _container_problems(options: RunOptions) -> list[str]:
    if options.image is None:
        given = {
            "--network": options.network not in (None, DEFAULT_NETWORK),
            "--share": options.share is not None,
            "--in-image": options.is_in_image,
            "--user": options.user is not None,
            "--volume": bool(options.volumes),
            "--shm-size": options.shm_size is not None,
            "--gpus": options.gpus is not None,
            "--docker-parameter": bool(options.docker_parameters),
        }
        return [f"{flag} goes with --image" for flag, is_given in given.items() if is_given]
    problems = [
        f"--volume {text}: must be /HOST:/CONTAINER or /HOST:/CONTAINER:ro"
        for text in options.volumes
        if not re.fullmatch(r"/[^:]*:/[^:]*(:ro|:rw)?", text)
    ]
    problems += [
        f"--docker-parameter {text}: must be KEY=VALUE, without dashes"
        for text in options.docker_parameters
        if not re.fullmatch(r"[a-z][a-z-]*=.*", text)
    ]
    if options.user is not None and not re.fullmatch(r"\d+(:\d+)?", options.user):
        problems.append(f"--user {options.user}: must be UID or UID:GID, in numbers")
    if options.shm_size is not None and not re.fullmatch(_SIZE, options.shm_size):
        problems.append(f"--shm-size {options.shm_size}: must be a size such as 512m or 2g")
    if options.mpiexec is not None:
        problems.append("--mpiexec is of no use with --image: the image's own is run")
    if options.network == "bridge" and options.nodes > 1 and not is_local(options.master):
        problems.append("--network bridge: containers of different hosts do not reach each other")
    return problems


def shown(text: str) -> str:
    """A text with an escape in the place of each byte that is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()
