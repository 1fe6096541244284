"""The command line of `run` as a request, checked as a whole."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mrunkit.cli.option_problems import option_problems, shown
from mrunkit.cli.run_options import RunOptions, is_local, split_hosts
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
    JobSpec,
    MpiOptions,
    Program,
)
from mrunkit.scheduler.resources import Demand
from mrunkit.settings import Settings


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


def build_request(options: RunOptions, settings: Settings) -> RunRequest:
    """Check everything; raises UsageError with all problems, or says what the program lacks."""
    problems = option_problems(options, settings)
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
        name=options.name or shown(Path(words[0]).name),
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
        procs=options.ranks,
        rank=Demand(cpus=options.cores, mem=options.mem),
        policy=options.policy,
        hosts=frozenset(split_hosts(options.hosts)),
        exclude=frozenset(split_hosts(options.exclude)),
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
