"""The commands of mrunkit, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from mrunkit import __version__
from mrunkit.cli.run import EXIT_STATUSES, run

app = typer.Typer(
    name="mrunkit",
    help="MPI jobs as gangs on Apache Mesos, and the labs to run them in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"mrunkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """MPI jobs as gangs on Apache Mesos, and the labs to run them in."""


# What follows MASTER belongs to the program, as with srun and env.
app.command(
    context_settings={"allow_interspersed_args": False},
    epilog=EXIT_STATUSES,
    options_metavar="[OPTIONS]",
)(run)


def add_all_but_run() -> None:
    """Add the other commands, whose modules a start of `run` need not pay for."""
    from mrunkit.cli.bootstrap import EXIT_STATUSES as BOOTSTRAP_STATUSES
    from mrunkit.cli.bootstrap import bootstrap
    from mrunkit.cli.compile import compile_
    from mrunkit.cli.doctor import EXIT_STATUSES as DOCTOR_STATUSES
    from mrunkit.cli.doctor import doctor
    from mrunkit.cli.gc import gc
    from mrunkit.cli.hosts import hosts
    from mrunkit.cli.image import image
    from mrunkit.cli.init import init
    from mrunkit.cli.jobs import jobs
    from mrunkit.cli.lab import lab
    from mrunkit.cli.local import local
    from mrunkit.cli.teardown import teardown

    app.command()(local)
    app.command()(jobs)
    app.add_typer(image, name="image")
    app.command(name="compile")(compile_)
    app.command()(gc)
    app.add_typer(lab, name="lab")
    app.command(epilog=DOCTOR_STATUSES)(doctor)
    app.command()(init)
    app.command(epilog=BOOTSTRAP_STATUSES)(bootstrap)
    app.command()(hosts)
    app.command()(teardown)
