"""The site of a job in containers: one per node, and one more for mpiexec on this host.

Implements `launch.Site`. Owns what is made for the job on this host: mpiexec's container,
the staged files and the guard that removes both if the client is killed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mrunkit.containers.engine import EngineError, connect, explained
from mrunkit.containers.explain import explain_failure
from mrunkit.containers.guard import Guard
from mrunkit.containers.info import container_info, volumes
from mrunkit.containers.limits import Limits, limits_here
from mrunkit.containers.mpiexec import ContainerRequest, MpiexecContainer
from mrunkit.containers.networks import gateway, require_network
from mrunkit.containers.options import (
    CLIENT_LABEL,
    JOB_LABEL,
    ROLE_LABEL,
    ContainerOptions,
    NetworkMode,
)
from mrunkit.containers.staging import Staged, stage
from mrunkit.hydra.arguments import hidden_variables
from mrunkit.hydra.attached import connected_addresses
from mrunkit.hydra.mpiexec import Launcher
from mrunkit.hydra.proxy import proxy_script
from mrunkit.hydra.rendezvous import route_address
from mrunkit.hydra.streams import Output
from mrunkit.hydra.verdict import Verdict
from mrunkit.mesos.address import HostPort
from mrunkit.mesos.wire import TaskCommand
from mrunkit.process_identity import ProcessIdentity
from mrunkit.scheduler.commands import LaunchTask
from mrunkit.scheduler.events import TaskState, TaskUpdated
from mrunkit.scheduler.job import JobSpec, MpiOptions, Program

if TYPE_CHECKING:
    import docker

_NO_SHARED_MEMORY = re.compile(
    r"mm_iface failed to allocate receive FIFO|uct_iface_open\(posix/memory\) failed"
)
"""What UCX 1.18 says, on stdout. Measured with four ranks: so in 16 MB; in 4 MB it does without."""


class ContainerSite:
    """mpiexec in a container on this host, tasks in containers on the agents' hosts."""

    def __init__(
        self,
        spec: JobSpec,
        options: MpiOptions,
        containers: ContainerOptions,
        *,
        client: ProcessIdentity,
    ) -> None:
        self._spec = spec
        self._options = options
        self._containers = containers
        self._client = client
        self._engine: docker.DockerClient
        self._image = containers.image
        self._version = ""
        self._staged: Staged
        self._guard: Guard | None = None
        self._made: asyncio.Task[MpiexecContainer] | None = None
        self._address = ""

    @property
    def program(self) -> Program:
        """The program where the containers have it."""
        words = (self._staged.program, *self._options.program.words[1:])
        return replace(self._options.program, words=words, workdir=self._staged.workdir)

    @property
    def mpich_version(self) -> str:
        """As the image's label says; empty without one."""
        return self._version

    @property
    def proxy_path(self) -> str:
        """Wherever the image has it in PATH."""
        return ""

    async def prepare(self) -> None:
        """Connect to Docker, look at image and network, and stage the program."""
        await asyncio.to_thread(self._prepare)
        if self._containers.is_all_here and not self._spec.dry_run:
            # Offers will come at once, and of all containers on an overlay the first takes
            # longest, twice as long as the others.
            self._make_container()

    def _prepare(self) -> None:
        from mrunkit.containers.images import inspect_image

        containers = self._containers
        self._engine = connect()
        image = inspect_image(self._engine, containers.image)
        self._image, self._version = image.pinned, image.mpich_version
        require_network(self._engine, containers)
        program = self._options.program
        if not containers.is_in_image:
            image.require_fit(program.words[0])
        self._staged = stage(
            program.words[0],
            program.workdir or "/",
            containers,
            job_id=self._spec.job_id,
            client=self._client,
        )
        if not self._spec.dry_run:
            self._guard = Guard.start(self._spec.job_id, self._staged.directory)

    async def open(self, master: HostPort) -> str:
        """Make mpiexec's container in the background, while the tasks' are made."""
        self._address = await asyncio.to_thread(self._listen_address, master)
        self._make_container()
        return self._address

    def _make_container(self) -> None:
        """Begin to make mpiexec's container, once."""
        if self._made is None:
            self._made = asyncio.create_task(
                asyncio.to_thread(MpiexecContainer.create, self._engine, self._mpiexec_request())
            )

    def _listen_address(self, master: HostPort) -> str:
        """This host's address as containers reach it: not loopback, unless they share it."""
        if self._options.advertise is not None:
            return self._options.advertise
        address = route_address(master.host, master.port)
        is_loopback = ipaddress.ip_address(address).is_loopback
        if is_loopback and self._containers.mode is not NetworkMode.HOST:
            return gateway(self._engine, self._containers)
        return address

    def _mpiexec_request(self) -> ContainerRequest:
        containers = self._containers
        mounts = volumes(containers, self._staged.share)
        if self._options.output_dir is not None:
            # mpiexec writes the files of --output-dir, where the user wants them.
            output_dir = Path(self._options.output_dir).absolute()
            mounts.append(f"{output_dir}:{output_dir}:rw")
        return ContainerRequest(
            image=self._image,
            network=containers.network,
            mode=containers.mode,
            name=f"mrunkit-{self._spec.job_id}-mpiexec",
            user=containers.user,
            labels={**self._labels(), ROLE_LABEL: "mpiexec"},
            variables=hidden_variables(self._options.program.env),
            volumes=mounts,
            limits=limits_here(),
        )

    def _labels(self) -> dict[str, str]:
        return {JOB_LABEL: self._spec.job_id, CLIENT_LABEL: str(self._client)}

    def task(self, launch: LaunchTask, env: Mapping[str, str]) -> TaskCommand:
        """The script in a container; on a network of its own it tells its address itself."""
        is_on_host = self._containers.mode is NetworkMode.HOST
        needed = self._spec.rank * launch.ranks
        return TaskCommand(
            shell=proxy_script(),
            env={
                **env,
                "MRUNKIT_ADDRESS": launch.address if is_on_host else "",
                "MRUNKIT_BIND": "" if is_on_host else "address",
                "MRUNKIT_OWN_MEMORY": "yes",
            },
            container=container_info(
                self._containers,
                image=self._image,
                share=self._staged.share,
                labels=self._labels(),
                hostname=launch.hostname,
                limits=limits_here() if self._containers.is_all_here else Limits(),
                cpus=needed.cpus,
                mem=needed.mem,
            ),
        )

    def explain(self, update: TaskUpdated) -> TaskUpdated:
        """Docker's and Mesos' words about a container, made to help."""
        # One that was killed on request ends with 137 as well, and the reason says who asked.
        if not update.state.is_terminal or update.state is TaskState.KILLED:
            return update
        known = explain_failure(
            f"{update.message} {update.reason}",
            image=self._containers.image,
            network=self._containers.network,
        )
        if known is None:
            return update
        return replace(update, message=known.message, reason="", remedy=known.remedy)

    def explain_end(self, judged: Verdict, said: str) -> Verdict:
        """Ranks that find no room in /dev/shm: UCX says so, or they get a bus error."""
        more = f"give it more than --shm-size {self._containers.shm_size}"
        if judged.exit_status and _NO_SHARED_MEMORY.search(said):
            return replace(judged, message="/dev/shm of a container is too small", remedy=more)
        if "signal 7 (" in judged.message:
            return replace(judged, remedy=f"/dev/shm may be too small: {more}")
        return judged

    async def start_mpiexec(
        self, arguments: Callable[[str], list[str]], *, open_files: int, output: Output
    ) -> Launcher:
        """Let mpiexec run in the container that was made for it."""
        assert self._made is not None, "tasks were launched, so the container is being made"
        allowed = limits_here().nofile
        if open_files > allowed:
            raise EngineError(
                f"this job needs {open_files} open files, and Docker here allows {allowed}",
                remedy="use fewer nodes",
            )
        container = await self._made
        return container.launch(arguments(container.address or self._address), output)

    async def count_connections(self, port: int) -> int:
        """From the kernel's list of the container's network."""
        assert self._made is not None, "mpiexec runs"
        return _connections_in(self._made.result().pid, port)

    async def close(self) -> None:
        """Remove mpiexec's container and the staged files."""
        if self._made is not None:
            container = await asyncio.gather(self._made, return_exceptions=True)
            if isinstance(container[0], MpiexecContainer):
                with explained(image=self._image, network=self._containers.network):
                    await asyncio.to_thread(container[0].remove)
        if self._guard is not None:
            await asyncio.to_thread(self._staged.remove)
            await asyncio.to_thread(self._guard.release)


def _connections_in(pid: int, port: int) -> int:
    try:
        table = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii")
    except OSError:  # it has just ended, or Docker is on another machine
        return 0
    return len(connected_addresses(table, port))
