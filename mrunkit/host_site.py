"""A job without containers: mpiexec on this host, ranks as processes of the agents' hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mrunkit.hydra.arguments import hidden_variables
from mrunkit.hydra.attached import read_connected
from mrunkit.hydra.installation import Mpich, find_mpiexec, inspect_mpich
from mrunkit.hydra.mpiexec import Launcher, allow_open_files, start_mpiexec
from mrunkit.hydra.proxy import proxy_script
from mrunkit.hydra.rendezvous import route_address
from mrunkit.hydra.shared_memory import room_here, with_room_told
from mrunkit.hydra.streams import Output
from mrunkit.hydra.verdict import Verdict
from mrunkit.mesos.address import HostPort
from mrunkit.mesos.wire import TaskCommand
from mrunkit.scheduler.commands import LaunchTask
from mrunkit.scheduler.events import TaskUpdated
from mrunkit.scheduler.job import MpiOptions, Program


class HostSite:
    """Implements launch.Site. `ranks_here`: all, if the agents' hosts are all this one."""

    def __init__(
        self, options: MpiOptions, *, environ: Mapping[str, str], ranks_here: int = 0
    ) -> None:
        self._options = options
        self._environ = environ
        self._ranks_here = ranks_here
        self._room: int | None = None
        self._mpich: Mpich
        self._address = ""

    @property
    def program(self) -> Program:
        """The program as it was given: its path must be the same everywhere."""
        return self._options.program

    @property
    def mpich_version(self) -> str:
        """Of the mpiexec that was found."""
        return self._mpich.version

    @property
    def proxy_path(self) -> str:
        """Where this host has it: MPICH must be at one path everywhere."""
        return str(self._mpich.proxy)

    async def prepare(self) -> None:
        """Find mpiexec."""
        mpiexec = find_mpiexec(self._options.mpiexec)
        self._mpich = await inspect_mpich(mpiexec, dict(self._environ))

    async def open(self, master: HostPort) -> str:
        """The address of the route to the master, unless another was given."""
        self._address = self._options.advertise or route_address(master.host, master.port)
        return self._address

    def task(self, launch: LaunchTask, env: Mapping[str, str]) -> TaskCommand:
        """The script, on the address under which the agent registered."""
        more = {"MRUNKIT_ADDRESS": launch.address}
        if self._ranks_here:
            # Theirs is ours, and need not be asked for its version.
            more["MRUNKIT_MPICH"] = self._mpich.version
        return TaskCommand(shell=proxy_script(), env={**env, **more})

    def explain(self, update: TaskUpdated) -> TaskUpdated:
        """Mesos' own words are good enough."""
        return update

    def explain_end(self, judged: Verdict, said: str) -> Verdict:
        """Nothing of mpiexec's words has to do with where it runs; what it leaves out may have."""
        return with_room_told(judged, self._room, self._ranks_here)

    async def start_mpiexec(
        self, arguments: Callable[[str], list[str]], *, open_files: int, output: Output
    ) -> Launcher:
        """As a subprocess."""
        allow_open_files(open_files)
        if self._ranks_here:
            self._room = room_here()
        return await start_mpiexec(
            self._mpich.mpiexec,
            arguments(self._address),
            environ=self._environ,
            hidden=hidden_variables(self._options.program.env),
            output=output,
        )

    async def count_connections(self, port: int) -> int:
        """From the kernel's own list."""
        return len(read_connected(port))

    async def close(self) -> None:
        """Nothing was made."""
