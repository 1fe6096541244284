"""The command line and the environment of mpiexec.hydra.

Pure. Owns what Hydra does with its own words, as measured with MPICH 3.4.3, 4.1.3 and
5.0.2; refuses to run anything.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from mrunkit.errors import MrunkitError, UsageError
from mrunkit.scheduler.job import Distribution

from .labels import MARK_PATTERN

PROXYS_OWN_DIRECTORY = "/proc/self/cwd"
"""As -wdir: ranks stay where their proxy was started. Without -wdir, and with a relative
one, mpiexec sends its own directory, which need not exist on the node."""

KEPT_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "MPIEXEC_PORT_RANGE"}
)

_MEANS_SOMETHING_HERE = re.compile(
    "BASH|COBALT_|GLIBC_|HWLOC_|HYD|LC_|LD_|LOADL|LSB_|MALLOC_|MPICH_|MPIEXEC_|MPIR_|MRUNKIT_|OAR_"
    "|PBS_|PE_|PMI|SGE_|SLURM_|mrunkit_"
    "|(ENV|EUID|IFS|OLDPWD|OPTIND|PPID|PS4|PWD|SHLVL|TZ|UID|_)$"
)
"""Names for mpiexec, for what it asks and is linked with, and for the shell that starts it."""

LAST_VARIABLE = "MRUNKIT_LAST"
"""Has to be last in mpiexec's environment: Hydra does not find the last one for -envlist."""


class HostsError(MrunkitError):
    """Hydra cannot run over such a list of hosts."""


def mpiexec_arguments(
    *,
    hosts: Sequence[str],
    ranks_per_host: Sequence[int],
    distribution: Distribution,
    localhost: str,
    env: Mapping[str, str],
    program: Sequence[str],
    workdir: str | None = None,
    label: bool = False,
    output_dir: str | None = None,
) -> list[str]:
    """Return mpiexec's arguments; launch line K then is for `hosts[K]`.

    Several hosts may have one address: agents that share a machine, or a container's network.
    `localhost` is the address at which proxies reach mpiexec. `output_dir` has to exist
    before the first output: mpiexec opens a file per rank and stream in it, and ends the
    job if it cannot. A labelled output needs `labels.LabelledLines` to become readable.
    What `hidden_variables` makes of `env` has to be in mpiexec's own environment.
    """
    arguments = ["-launcher", "manual", "-rmk", "user", "-localhost", localhost]
    if len(set(hosts)) < len(hosts):
        # Hydra makes one proxy of neighbours with one name, and the other task would wait.
        # With the manual launcher names are but labels, if ranks are not told to use them.
        arguments += ["-disable-hostname-propagation"]
        hosts = [f"{host}_{number}" for number, host in enumerate(hosts, start=1)]
    arguments += ["-hosts", _hosts_argument(hosts, ranks_per_host, distribution)]
    arguments += ["-n", str(sum(ranks_per_host))]
    hidden = hidden_variables(env)
    # Not -genvlist and -genvnone: with these, proxies die of MPI_Comm_spawn (4.2.3 to 5.0.2).
    arguments += ["-envlist", ",".join(map(_checked_name, hidden))] if hidden else ["-envnone"]
    for name, value in env.items():
        if name not in hidden:
            arguments += ["-genv", _checked_name(name), value]
    arguments += ["-wdir", workdir or PROXYS_OWN_DIRECTORY]
    if output_dir is not None:
        pattern = output_dir.replace("%", "%%") + "/rank-%r."
        arguments += ["-outfile-pattern", pattern + "out", "-errfile-pattern", pattern + "err"]
    elif label:
        arguments += ["-prepend-pattern", MARK_PATTERN]
    return arguments + _program_words(program)


def mpiexec_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the client's environment that mpiexec itself gets.

    Its HYDRA_* and MPIEXEC_* variables change hosts, launcher and time limit behind the
    command line's back, and those of a batch system make it ask that system for hosts.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT_VARIABLES or name.startswith("LC_")
    }


def hidden_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the ranks' variables that mpiexec takes from its environment.

    There only its own account can see them, and on a command line everybody: one may be a
    password. Those that mean something to mpiexec itself must not get there.
    """
    return {
        name: value
        for name, value in env.items()
        # Hydra passes no empty ones on that are in a list.
        if value and name not in KEPT_VARIABLES and not _MEANS_SOMETHING_HERE.match(name)
    }


def _hosts_argument(
    hosts: Sequence[str], ranks_per_host: Sequence[int], distribution: Distribution
) -> str:
    if len(hosts) != len(ranks_per_host) or not hosts or min(ranks_per_host) < 1:
        raise ValueError(f"{len(hosts)} hosts do not go with ranks {list(ranks_per_host)}")
    if any(set(host) & set(":, ") for host in hosts):
        raise HostsError(f"Hydra takes names and IPv4 addresses only, not {', '.join(hosts)}")
    if distribution is Distribution.BLOCK:
        pairs = zip(hosts, ranks_per_host, strict=True)
        return ",".join(f"{host}:{ranks}" for host, ranks in pairs)
    # Hydra deals the ranks out in turn itself, if no host says how many it takes.
    least, more = divmod(sum(ranks_per_host), len(hosts))
    if list(ranks_per_host) != [least + 1] * more + [least] * (len(hosts) - more):
        raise ValueError(f"ranks in turn cannot become {list(ranks_per_host)}")
    return ",".join(hosts)


def _checked_name(name: str) -> str:
    # `-genv A=B C` would take A=B as a whole variable and C as the program; a list has commas.
    if not name or set(name) & set("=,"):
        raise UsageError(f"not the name of an environment variable: {name!r}")
    return name


def _program_words(program: Sequence[str]) -> list[str]:
    if not program or not program[0] or program[0].startswith("-") or program[0] == ":":
        raise UsageError(
            f"mpiexec cannot start a program of the name {(program or [''])[0]!r}",
            remedy="give its path, as in ./NAME",
        )
    if ":" not in program:
        return list(program)
    # A word that is just ":" would begin a second program; in a shell's words it does not.
    return ["/bin/sh", "-c", f"exec {shlex.join(program)}"]
