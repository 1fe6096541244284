"""What a user asks for when a job runs in containers. Pure; cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CLIENT_LABEL = "mrunkit.client"
"""On every container of a job: the ProcessIdentity of the client that runs it."""
JOB_LABEL = "mrunkit.job"
"""On every container, network and volume of a job: its id."""
ROLE_LABEL = "mrunkit.role"
"""What a container is to its job: "task", "mpiexec" or "compile"."""

STAGING_PREFIX = ".mrunkit-job-"
"""Of the directory that a job has on the share; its id follows."""
SHARE_IN_CONTAINER = "/share"
DEFAULT_NETWORK = "host"
DEFAULT_SHM_SIZE = "1g"


class NetworkMode(Enum):
    """The kinds of network that Mesos' docker containerizer knows."""

    HOST = "HOST"
    """The host's own: no isolation, and the addresses of the agents."""
    BRIDGE = "BRIDGE"
    """Docker's default bridge: containers of one host only."""
    USER = "USER"
    """A network with a name, such as the encrypted overlay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """How a job's containers are made."""

    image: str
    network: str = DEFAULT_NETWORK
    share: str | None = SHARE_IN_CONTAINER
    """Directory that all hosts have; mounted at /share. None: one for this job alone, which
    does where all containers are on this machine."""
    is_all_here: bool = False
    """All of the job's containers are on this machine: its cluster is `local`."""
    is_in_image: bool = False
    """The program is already in the image."""
    user: str
    """UID:GID in the containers."""
    volumes: tuple[str, ...] = ()
    """HOST:CONTAINER[:ro|rw]"""
    gpus: str | None = None
    """As for `docker run --gpus`."""
    shm_size: str = DEFAULT_SHM_SIZE
    """Size of /dev/shm, where the ranks of a node talk to each other."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Options of `docker run`, without dashes, with their values."""

    @property
    def mode(self) -> NetworkMode:
        """The kind of the network that was named."""
        named = {"host": NetworkMode.HOST, "bridge": NetworkMode.BRIDGE}
        return named.get(self.network, NetworkMode.USER)
