"""The command line: one file per command group, and one place that ends the process.

Imports of what a command needs stay inside of it: `--help` must not pay for `run`, nor
`run` for what it does not use.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its status."""
    _open_closed_streams()
    from mrunkit.cli.app import app
    from mrunkit.errors import ExitStatus, MrunkitError

    try:
        app()
    except MrunkitError as error:
        from mrunkit.output import describe_error

        print(describe_error(error), file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our listing has seen enough of it.
        sys.stderr.close()
        sys.exit(128 + 13)


def _open_closed_streams() -> None:
    """Make /dev/null of closed standard streams, whose numbers other files would take."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, open(number, mode))  # noqa: PTH123, SIM115 - for good
