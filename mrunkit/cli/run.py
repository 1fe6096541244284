"""`mrunkit run`: its options, as the command line has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mrunkit.scheduler.job import Distribution, Policy

EXIT_STATUSES = """\b
Exit status:
  the program's own (as mpiexec reports it: the bitwise OR of all ranks')
    2  the command line does not make sense
  124  the job ran longer than --time-limit
  125  mrunkit could not run the job, or lost a part of it
  126  the program is there but cannot be executed
  127  the program is not there
  130  Ctrl-C (128+N for any other signal N)
"""

Option = typer.Option


def run(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="MASTER PROGRAM [ARGS]",
            help="MASTER: HOST[:PORT], zk://HOST:PORT[,...]/PATH, or a cluster on this machine: "
            "local, local:4x8 (4 agents with 8 cpus each); left out with --inventory. "
            "PROGRAM: the MPI program, and its arguments.",
        ),
    ],
    inventory: Annotated[
        Path | None,
        Option(
            "-i",
            "--inventory",
            metavar="INVENTORY",
            help="Instead of MASTER: the lab's master, credentials, image, network and share.",
        ),
    ] = None,
    nodes: Annotated[
        int, Option("-N", "--nodes", metavar="N", help="Different agents to run on, exactly.")
    ] = 1,
    procs: Annotated[
        int | None,
        Option("-n", "--procs", metavar="N", help="Ranks in all, spread evenly.  [default: -N's]"),
    ] = None,
    cores: Annotated[
        float, Option("-c", "--cores", metavar="CPUS", help="Per rank; fractions are allowed.")
    ] = 1.0,
    mem: Annotated[float, Option("-m", "--mem", metavar="MB", help="Memory per rank.")] = 128.0,
    name: Annotated[
        str | None,
        Option("--name", metavar="NAME", help="Of the job.  [default: the program's]"),
    ] = None,
    env: Annotated[
        list[str] | None,
        Option("-x", "--env", metavar="NAME[=VALUE]", help="Environment of the ranks; repeatable."),
    ] = None,
    workdir: Annotated[
        str | None,
        Option("--workdir", metavar="DIR", help="Of the ranks.  [default: this directory]"),
    ] = None,
    wait: Annotated[
        float | None,
        Option(
            "--wait",
            metavar="SECONDS",
            help="For resources; 0: fail unless they are free now.  [default: for ever]",
        ),
    ] = None,
    start_timeout: Annotated[
        float,
        Option("--start-timeout", metavar="SECONDS", help="From launching tasks to MPI's start."),
    ] = 120.0,
    time_limit: Annotated[
        float | None,
        Option("--time-limit", metavar="SECONDS", help="Of MPI itself.  [default: none]"),
    ] = None,
    retries: Annotated[
        int, Option("--retries", metavar="N", help="Hosts to replace that fail before MPI starts.")
    ] = 2,
    policy: Annotated[
        Policy, Option("--policy", help="Which agents first: as offered, fullest, emptiest.")
    ] = Policy.FIRST_FIT,
    hosts: Annotated[
        list[str] | None, Option("--hosts", metavar="HOST,...", help="Use only these.")
    ] = None,
    exclude: Annotated[
        list[str] | None, Option("--exclude", metavar="HOST,...", help="Do not use these.")
    ] = None,
    constraint: Annotated[
        list[str] | None,
        Option(
            "--constraint",
            metavar="ATTRIBUTE:VALUE",
            help="Use only agents with this attribute; repeatable, all must hold.",
        ),
    ] = None,
    distribution: Annotated[
        Distribution, Option("--distribution", help="Ranks to nodes: in turn, or in blocks.")
    ] = Distribution.CYCLIC,
    role: Annotated[
        str, Option("--role", metavar="ROLE", help="Of Mesos, to get offers for.")
    ] = "*",
    run_as: Annotated[
        str | None,
        Option(
            "--run-as",
            metavar="NAME",
            help="The hosts' account that tasks belong to.  [default: the lab's, else yours]",
        ),
    ] = None,
    principal: Annotated[
        str | None, Option("--principal", metavar="NAME", help="Who we are to Mesos.")
    ] = None,
    secret_file: Annotated[
        Path | None, Option("--secret-file", metavar="FILE", help="Holds the principal's secret.")
    ] = None,
    advertise: Annotated[
        str | None,
        Option(
            "--advertise",
            metavar="ADDRESS",
            help="Of this host, as agents reach it.  [default: from the route to MASTER]",
        ),
    ] = None,
    mpiexec: Annotated[
        str | None,
        Option(
            "--mpiexec",
            metavar="FILE",
            envvar="MRUNKIT_MPIEXEC",
            help="MPICH's mpiexec.hydra; the hosts need the same version at the same path.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        Option("--image", metavar="IMAGE", help="Run in containers of this image, one per node."),
    ] = None,
    is_on_hosts: Annotated[
        bool, Option("--no-image", help="Run on the hosts themselves, although the lab has one.")
    ] = False,
    network: Annotated[
        str | None,
        Option(
            "--network",
            metavar="NAME",
            help="Of the containers: host, bridge, or its name.  [default: host]",
        ),
    ] = None,
    share: Annotated[
        Path | None,
        Option(
            "--share",
            metavar="DIR",
            help="Directory that all hosts have, /share in the containers.  [default: /share]",
        ),
    ] = None,
    is_in_image: Annotated[
        bool, Option("--in-image", help="PROGRAM is a path in the image, not here.")
    ] = False,
    user: Annotated[
        str | None, Option("--user", metavar="UID[:GID]", help="In the containers.  [default: you]")
    ] = None,
    volume: Annotated[
        list[str] | None,
        Option("--volume", metavar="HOST:CONTAINER[:ro]", help="Also mount this; repeatable."),
    ] = None,
    shm_size: Annotated[
        str | None,
        Option(
            "--shm-size",
            metavar="SIZE",
            help="Of /dev/shm, where neighbours talk.  [default: 1g]",
        ),
    ] = None,
    gpus: Annotated[
        str | None, Option("--gpus", metavar="GPUS", help="As for docker run --gpus.")
    ] = None,
    docker_parameter: Annotated[
        list[str] | None,
        Option(
            "--docker-parameter",
            metavar="KEY=VALUE",
            help="Any other option of docker run, without dashes; repeatable.",
        ),
    ] = None,
    kill_on_bad_exit: Annotated[
        bool,
        Option(
            "--kill-on-bad-exit/--no-kill-on-bad-exit",
            help="A rank that fails before MPI_Finalize ends the others 3 s later, or not.",
        ),
    ] = True,
    is_labelled: Annotated[
        bool, Option("--label", help="Prefix each line of output with its rank.")
    ] = False,
    output_dir: Annotated[
        Path | None,
        Option("--output-dir", metavar="DIR", help="Write the output to one file per rank there."),
    ] = None,
    events: Annotated[
        Path | None,
        Option("--events", metavar="FILE", help="JSON lines of all that happens, with times."),
    ] = None,
    is_dry_run: Annotated[
        bool,
        Option("--dry-run", help="Print the placement that would be made now, or why none can."),
    ] = False,
    is_json: Annotated[
        bool, Option("--json", help="Say the result as JSON (stderr; --dry-run: stdout).")
    ] = False,
    is_verbose: Annotated[bool, Option("-v", "--verbose", help="Log all that is done.")] = False,
    is_quiet: Annotated[bool, Option("-q", "--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Run an MPI program as a gang: on exactly -N agents, or not at all.

    Options end at MASTER, or with --inventory at PROGRAM; what follows PROGRAM belongs to
    the program.
    """
    from mrunkit.cli.request import build_request
    from mrunkit.cli.run_options import RunOptions
    from mrunkit.errors import UsageError
    from mrunkit.output import set_up_logging
    from mrunkit.settings import read_settings

    set_up_logging(is_verbose=is_verbose)
    settings = read_settings()
    master, program = _split_words(words, has_master=inventory is None)
    options = RunOptions(
        master=master,
        program=program,
        nodes=nodes,
        procs=procs,
        cores=cores,
        mem=mem,
        name=name,
        env=tuple(env or ()),
        workdir=workdir,
        wait=wait,
        start_timeout=start_timeout,
        time_limit=time_limit,
        retries=retries,
        policy=policy,
        hosts=tuple(hosts or ()),
        exclude=tuple(exclude or ()),
        constraints=tuple(constraint or ()),
        distribution=distribution,
        role=role,
        run_as=run_as,
        principal=principal,
        secret_file=secret_file,
        advertise=advertise,
        mpiexec=mpiexec,
        image=image,
        network=network,
        share=share,
        is_in_image=is_in_image,
        user=user,
        volumes=tuple(volume or ()),
        shm_size=shm_size,
        gpus=gpus,
        docker_parameters=tuple(docker_parameter or ()),
        kill_on_bad_exit=kill_on_bad_exit,
        is_labelled=is_labelled,
        output_dir=output_dir,
        events=events,
        is_dry_run=is_dry_run,
    )
    if inventory is not None:
        from mrunkit.cli.run_in_lab import in_lab, require_share
        from mrunkit.provision.lab import read_lab

        lab = read_lab(inventory)
        options = in_lab(options, lab, is_on_hosts=is_on_hosts)
        require_share(options, lab)
    elif is_on_hosts:
        raise UsageError("--no-image goes with --inventory")
    request = build_request(options, settings)
    cluster = None
    if request.master is None:
        from dataclasses import replace

        from mrunkit.local.config import parse_local
        from mrunkit.local.spawn import prepare

        # Before the imports below: it starts on the other core meanwhile.
        cluster = context.obj or prepare()
        cluster.configure(replace(parse_local(master), expects_docker=image is not None))
    try:
        from mrunkit.cli.session import run_to_exit

        status = run_to_exit(request, settings, cluster, is_json=is_json, is_quiet=is_quiet)
    finally:
        if cluster is not None:
            cluster.stop()
    raise typer.Exit(status)


def _split_words(words: list[str], *, has_master: bool) -> tuple[str, tuple[str, ...]]:
    """MASTER, empty if an inventory tells it, and the program with its arguments."""
    from mrunkit.errors import UsageError

    master, program = (words[0], words[1:]) if has_master else ("", words)
    if not program:
        raise UsageError(
            f"which program is to be run on {master}?",
            remedy="mrunkit run [OPTIONS] MASTER PROGRAM [ARGS]..., "
            "or with -i INVENTORY instead of MASTER",
        )
    return master, tuple(program)
