"""The command line: a file per command or group of them, and one place that ends the process.

Imports of what a command needs stay inside of it: `--help` must not pay for `run`, nor
`run` for what it does not use.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from mrunkit.ending_signals import EndedBySignal, raise_ending_signals

if TYPE_CHECKING:
    from typing import NoReturn

    from mrunkit.errors import MrunkitError
    from mrunkit.local.spawn import ClusterProcess


def main() -> None:
    """Run the command line and exit with its status."""
    _open_closed_streams()
    _print_any_text()
    if sys.argv[1:2] == ["run"]:
        raise_ending_signals()
    try:
        _run_with_cluster()
    except EndedBySignal as end:  # before there was a job to end
        with contextlib.suppress(OSError):
            print(f"mrunkit: {end}", file=sys.stderr, flush=True)
        raise
    except KeyboardInterrupt:  # also where nobody expects it: in imports, and a second one
        from mrunkit.errors import ExitStatus

        sys.exit(ExitStatus.INTERRUPTED)
    finally:
        _drop_unwritten()


def _run_with_cluster() -> None:
    cluster = _prepare_cluster(sys.argv[1:])
    try:
        _run_command(cluster)
    finally:
        if cluster is not None:
            cluster.stop()


def _prepare_cluster(words: list[str]) -> ClusterProcess | None:
    """Start what may become the cluster of `run local`, before anything else is imported.

    It needs as long as this process does to get ready, and there is another core. Whether a
    cluster is wanted, only the options will tell; it has done no harm if not.
    """
    if words[:1] != ["run"] or not any(word.partition(":")[0] == "local" for word in words):
        return None
    from mrunkit.local.spawn import prepare

    return prepare()


def _run_command(cluster: ClusterProcess | None) -> None:
    from mrunkit.cli.app import add_all_but_run, app
    from mrunkit.errors import MrunkitError

    if sys.argv[1:2] != ["run"]:
        add_all_but_run()

    try:
        try:
            app(obj=cluster)
        finally:
            sys.stdout.flush()
    except MrunkitError as error:
        _fail(error)
    except BrokenPipeError:
        # Whoever read our listing has seen enough of it.
        sys.exit(128 + 13)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        where = "the output" if error.filename is None else error.filename
        _fail(MrunkitError(f"cannot write {where}: {error.strerror}"))


def _fail(error: MrunkitError) -> NoReturn:
    from mrunkit.output import say_error

    say_error(error)
    sys.exit(error.exit_status)


def _drop_unwritten() -> None:
    """Forget what a standard stream did not take, which has been dealt with.

    The interpreter would try once more, and make 120 of the exit status.
    """
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _open_closed_streams() -> None:
    """Make /dev/null of closed standard streams, whose numbers other files would take."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, open(number, mode))  # noqa: PTH123, SIM115 - for good


def _print_any_text() -> None:
    """Let no name or argument end a command that lists it: not all are text in this locale."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
