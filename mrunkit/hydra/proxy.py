"""The shell script that a task runs: see `proxy.sh`."""

from __future__ import annotations

from functools import cache

from .lines import LAUNCH_END
from .script import read_script

OUT_OF_MEMORY_STATUS = 76
"""The script's exit status if the kernel killed a rank for lack of memory: Mesos passes on
the status of a task and nothing else. EX_PROTOCOL of sysexits.h, which no proxy uses."""

FAILED_RANK_STATUS = 160
"""The script's exit status if a rank failed and no signal ended hydra_pmi_proxy; see `rank.sh`.
The rank's own is added, if it is one of RANK_STATUSES: this is above what a shell says of signals,
and ends below Hydra's own 255."""

RANK_STATUSES = {0: 0, **{status: status for status in range(1, 91)}, 91: 126, 92: 127}
"""What was added, and for which status of a rank; 0 for all that have no number of their own."""


@cache
def proxy_script() -> str:
    """Return the script without its comments, for `sh -c`; its parameters are variables.

    MRUNKIT_RENDEZVOUS and MRUNKIT_TOKEN: where to call in, and with what.
    MRUNKIT_TASK: the task's id. MRUNKIT_ADDRESS: its address, if the client knows it.
    MRUNKIT_PROXY: hydra_pmi_proxy where the client has it. MRUNKIT_WORKDIR: where ranks
    run, if not where the task was started. MRUNKIT_MPICH: the proxy's version, if the client
    knows it. MRUNKIT_BIND: not empty if MPI must stay on the interface with the task's
    address, whatever faster devices there are. MRUNKIT_OWN_MEMORY: not empty if a memory
    limit that is reached here is the task's own.
    """
    script = read_script("proxy.sh")
    assert LAUNCH_END.decode() in script
    return script
