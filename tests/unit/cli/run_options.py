"""What the options of `run` are if none is given, for four nodes and ten ranks."""

from __future__ import annotations

from mrunkit.cli.run_options import RunOptions
from mrunkit.scheduler.job import Distribution, Policy

OPTIONS = RunOptions(
    master="host0:5050",
    program=("./hello", "a", "b"),
    nodes=4,
    procs=10,
    cores=1.0,
    mem=128.0,
    name=None,
    env=(),
    workdir=None,
    wait=None,
    start_timeout=120.0,
    time_limit=None,
    retries=2,
    policy=Policy.FIRST_FIT,
    hosts=(),
    exclude=(),
    constraints=(),
    distribution=Distribution.CYCLIC,
    role="*",
    principal=None,
    secret_file=None,
    advertise=None,
    mpiexec=None,
    is_labelled=False,
    output_dir=None,
    events=None,
    is_dry_run=False,
)
