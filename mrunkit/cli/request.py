"""The command line of `run` as a request: checked as a whole, all problems at once."""

from __future__ import annotations

import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mrunkit.containers.options import (
    DEFAULT_NETWORK,
    DEFAULT_SHM_SIZE,
    SHARE_IN_CONTAINER,
    ContainerOptions,
)
from mrunkit.errors import (
    MrunkitError,
    ProgramNotExecutableError,
    ProgramNotFoundError,
    UsageError,
)
from mrunkit.mesos.address import HostPort, ZooKeeper, parse_master
from mrunkit.mesos.operator import Credentials
from mrunkit.scheduler.job import (
    Constraint,
    Distribution,
    JobSpec,
    MpiOptions,
    Policy,
    Program,
)
from mrunkit.scheduler.resources import Demand
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options and arguments of `run`, as typed."""

    master: str
    program: tuple[str, ...]
    nodes: int
    procs: int | None
    cores: float
    mem: float
    name: str | None
    env: tuple[str, ...]
    workdir: str | None
    wait: float | None
    start_timeout: float
    time_limit: float | None
    retries: int
    policy: Policy
    hosts: tuple[str, ...]
    exclude: tuple[str, ...]
    constraints: tuple[str, ...]
    distribution: Distribution
    role: str
    principal: str | None
    secret_file: Path | None
    advertise: str | None
    mpiexec: str | None
    is_labelled: bool
    output_dir: Path | None
    events: Path | None
    is_dry_run: bool
    run_as: str | None = None
    kill_on_bad_exit: bool = True
    image: str | None = None
    network: str | None = None
    share: Path | None = None
    is_in_image: bool = False
    user: str | None = None
    volumes: tuple[str, ...] = ()
    shm_size: str | None = None
    gpus: str | None = None
    docker_parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A job that makes sense, with all it takes to run it."""

    spec: JobSpec
    name: str
    master: HostPort | ZooKeeper | None
    """None: a cluster of its own on this machine."""
    master_text: str
    role: str
    account: str
    """The hosts' account that tasks belong to."""
    credentials: Credentials | None
    mpi: MpiOptions
    containers: ContainerOptions | None
    """None: as processes of the agents' hosts."""
    events: Path | None


def is_local(master: str) -> bool:
    """Whether MASTER asks for a cluster on this machine; `local:5050` is a host's name."""
    return re.fullmatch(r"local(:\d+x.*)?", master) is not None


def build_request(options: RunOptions, settings: Settings) -> RunRequest:
    """Check everything; raises UsageError with all problems, or says what the program lacks."""
    problems = [
        *_count_problems(options),
        *_amount_problems(options),
        *_list_problems(options, settings),
        *_text_problems(options, settings),
        *_file_problems(options),
        *_container_problems(options),
    ]
    master: HostPort | ZooKeeper | None = None
    if not is_local(options.master):
        try:
            master = parse_master(options.master)
        except UsageError as error:
            problems.append(f"{error}: {error.remedy}")
    if problems:
        raise UsageError("\n".join(problems))
    program = options.program[0]
    if not program:
        raise UsageError("PROGRAM is empty")
    if not options.is_in_image:
        program = find_program(program, settings)
    words = (program, *options.program[1:])
    return RunRequest(
        spec=_spec(options),
        name=options.name or _shown(Path(words[0]).name),
        master=master,
        master_text=options.master,
        role=options.role,
        account=options.run_as or settings.user,
        credentials=_credentials(options),
        mpi=MpiOptions(
            program=Program(
                words=words,
                env=_environment(options.env, settings.environ),
                workdir=str(Path(settings.workdir, options.workdir or ".")),
            ),
            distribution=options.distribution,
            kill_on_bad_exit=options.kill_on_bad_exit,
            is_labelled=options.is_labelled,
            output_dir=None if options.output_dir is None else str(options.output_dir),
            mpiexec=options.mpiexec,
            advertise=options.advertise,
        ),
        containers=_containers(options, settings),
        events=options.events,
    )


def new_job_id() -> str:
    """A name that sorts by time and is the only one of its kind."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def find_program(program: str, settings: Settings) -> str:
    """The program's path, as far as it can be told from here.

    A name is searched in PATH and a relative path from here. An absolute path whose
    directory does not exist here may well exist on the agents.
    """
    if "/" not in program:
        found = shutil.which(program, path=settings.environ.get("PATH", os.defpath))
        if found is None:
            hint = f"./{program}" if Path(settings.workdir, program).is_file() else None
            raise ProgramNotFoundError(
                f"{program} is not in PATH", remedy=f"did you mean {hint}?" if hint else None
            )
        return found
    path = Path(settings.workdir, program)
    if Path(program).is_absolute() and not path.parent.is_dir():
        return program
    if not path.exists():
        raise ProgramNotFoundError(f"there is no program {path}")
    if path.is_dir():
        raise ProgramNotExecutableError(f"{path} is a directory, not a program")
    if not os.access(path, os.X_OK):
        raise ProgramNotExecutableError(
            f"{path} is not executable", remedy=f"try: chmod +x {program}"
        )
    return str(path)


def _spec(options: RunOptions) -> JobSpec:
    return JobSpec(
        job_id=new_job_id(),
        nodes=options.nodes,
        procs=_procs(options),
        rank=Demand(cpus=options.cores, mem=options.mem),
        policy=options.policy,
        hosts=frozenset(_split(options.hosts)),
        exclude=frozenset(_split(options.exclude)),
        constraints=tuple(
            Constraint(attribute=attribute, value=value)
            for attribute, _, value in (text.partition(":") for text in options.constraints)
        ),
        wait=options.wait,
        start_timeout=options.start_timeout,
        time_limit=options.time_limit,
        retries=options.retries,
        kill_on_bad_exit=options.kill_on_bad_exit,
        dry_run=options.is_dry_run,
    )


def _procs(options: RunOptions) -> int:
    return options.nodes if options.procs is None else options.procs


def _split(lists: Iterable[str]) -> list[str]:
    return [host.strip() for text in lists for host in text.split(",") if host.strip()]


def _count_problems(options: RunOptions) -> list[str]:
    problems = []
    procs = _procs(options)
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
    if options.hosts and not _split(options.hosts):
        problems.append("--hosts: names no host")
    both = set(_split(options.hosts)) & set(_split(options.exclude))
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
        f"{flag} {_shown(text)}: is not UTF-8, and Mesos takes nothing else"
        for flag, text in sent.items()
        if text is not None and _shown(text) != text
    ]


def _shown(text: str) -> str:
    """A text with an escape in the place of each byte that is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


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


def _containers(options: RunOptions, settings: Settings) -> ContainerOptions | None:
    if options.image is None:
        return None
    share: str | None = str(options.share or SHARE_IN_CONTAINER)
    if options.share is None and is_local(options.master) and not Path(SHARE_IN_CONTAINER).is_dir():
        share = None
    user = options.user or f"{settings.uid}:{settings.gid}"
    pairs = (text.partition("=") for text in options.docker_parameters)
    return ContainerOptions(
        image=options.image,
        network=options.network or DEFAULT_NETWORK,
        share=share,
        is_all_here=is_local(options.master),
        is_in_image=options.is_in_image,
        user=user,
        volumes=options.volumes,
        gpus=options.gpus,
        shm_size=options.shm_size or DEFAULT_SHM_SIZE,
        parameters=tuple((key, value) for key, _, value in pairs),
    )


def _environment(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    pairs = (text.partition("=") for text in texts)
    return {name: value if equals else environ[name] for name, equals, value in pairs}


def _credentials(options: RunOptions) -> Credentials | None:
    if options.principal is None or options.secret_file is None:
        return None
    try:
        secret = options.secret_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise MrunkitError(f"cannot read {options.secret_file}: {reason}") from error
    if not secret:
        raise UsageError(f"{options.secret_file} is empty; it must hold the secret")
    return Credentials(principal=options.principal, secret=secret)
