"""Hosts as containers of a Docker engine: systemd and sshd, on a bridge of their own.

Owns everything with the label of its labs: containers, networks, volumes; and the images that
are made of base trees, which stay for the next lab.
"""

from __future__ import annotations

import functools
import os
import subprocess
import uuid
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrunkit.containers.engine import EngineError, explained, remove_container
from mrunkit.lab import seed
from mrunkit.lab.addresses import free_subnet, host_address, parse_routes
from mrunkit.lab.console import INOTIFY_LIMIT, RAISE_INOTIFY, inotify_obstacle
from mrunkit.lab.record import NAME_LABEL, EngineRecord, HostRecord, HostState, LabRecord
from mrunkit.lab.request import LabError, LabRequest
from mrunkit.lab.tree import Progress, make_tree, making, require_tree_makers, setup_for, tree_key

if TYPE_CHECKING:
    import docker

LABEL = "mrunkit.lab"
"""On everything of a lab: its identity."""
REPOSITORY = "mrunkit/lab"
"""Images of base trees; the tag says what they are made of."""

READY_SECONDS = 180.0
SHARE = "share"
"""The volume that all hosts of a lab have, and where they have it."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MODULES = Path("/lib/modules")
_STATES = {"running": HostState.RUNNING, "restarting": HostState.RUNNING}


class DockerHosts:
    """Containers as hosts; implements life.HostBackend."""

    ready_seconds = READY_SECONDS

    def __init__(
        self, engine: docker.DockerClient, cache: Path, *, docker_host: str | None = None
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._docker_host = docker_host

    def prepare(self, request: LabRequest, *, created: float, progress: Progress) -> LabRecord:
        """A lab without hosts yet, of an image that is made if it is not there."""
        setup = setup_for(request.recipe)
        key = tree_key(request.recipe, setup)
        image = f"{REPOSITORY}:{key}"
        if not self._has_image(image):
            require_tree_makers(request.recipe, uid=os.geteuid())
            with making(self._cache / "trees" / key) as directory:
                if not self._has_image(image):
                    tree = directory / "tree"
                    archives = self._cache / "archives"
                    make_tree(request.recipe, setup, tree, archives=archives, progress=progress)
                    progress.show(f"image {image}", "importing the base tree")
                    self._import(tree, image)
        return LabRecord(
            name=request.name,
            identity=uuid.uuid4().hex,
            backend=request.backend,
            base=image,
            packages=request.recipe.packages,
            created=created,
            engine=EngineRecord(identity=self._identity, docker_host=self._docker_host),
        )

    def place(self, lab: LabRecord, count: int) -> LabRecord:
        """Make the lab's network, and give each host its address there."""
        _require_inotify(count)
        subnet = self._make_network(lab)
        hosts = (f"host{number}" for number in range(count))
        placed = []
        for number, name in enumerate(hosts):
            address = host_address(subnet, number)
            placed.append(
                HostRecord(
                    name=name, address=address, ssh_address=address, ssh_port=22, user="root"
                )
            )
        return replace(lab, hosts=tuple(placed))

    def create(self, lab: LabRecord, keys: dict[str, seed.HostKeys]) -> None:
        """Make the containers, each with files of its own; they do not run yet."""
        with explained(image=lab.base, network=resource_name(lab)):
            self._engine.api.create_volume(resource_name(lab, SHARE), labels=labels(lab))
        for host in lab.hosts:
            files = [*seed.ssh_files(keys[host.name]), *seed.container_files(lab, host.name)]
            with explained(image=lab.base, network=resource_name(lab)):
                self._engine.api.create_volume(volume_name(lab, host.name), labels=labels(lab))
                options = self._container_options(lab, host)
                made = self._engine.api.create_container_from_config(  # type: ignore[no-untyped-call]
                    options, name=resource_name(lab, host.name)
                )
                self._engine.api.put_archive(made["Id"], "/", seed.archive(files))

    def start(self, lab: LabRecord) -> LabRecord:
        """Start what does not run."""
        self._require_own(lab)
        for host in lab.hosts:
            with explained(image=lab.base, network=resource_name(lab)):
                self._engine.api.start(resource_name(lab, host.name))
        return lab

    def states(self, lab: LabRecord) -> dict[str, HostState]:
        """What becomes of each host."""
        self._require_own(lab)
        with explained(image=lab.base, network=""):
            found = self._engine.api.containers(all=True, filters=_of(lab))
        states = {
            name.removeprefix("/"): _STATES.get(container["State"], HostState.STOPPED)
            for container in found
            for name in container["Names"]
        }
        return {
            host.name: states.get(resource_name(lab, host.name), HostState.MISSING)
            for host in lab.hosts
        }

    def last_words(self, lab: LabRecord, host: str) -> str:
        """What a host's console said last."""
        with explained(image=lab.base, network=""):
            said: bytes = self._engine.api.logs(resource_name(lab, host), tail=100)
        return said.decode(errors="replace")

    def remove(self, lab: LabRecord) -> None:
        """Remove everything of the lab; what is gone already is as good."""
        import docker.errors

        self._require_own(lab)
        api = self._engine.api
        with explained(image=lab.base, network=resource_name(lab)):
            kinds: list[tuple[list[str], Any]] = [
                (
                    [found["Id"] for found in api.containers(all=True, filters=_of(lab))],
                    lambda name: remove_container(api, name),
                ),
                ([found["Id"] for found in api.networks(filters=_of(lab))], api.remove_network),
                (
                    [found["Name"] for found in api.volumes(filters=_of(lab))["Volumes"] or ()],
                    lambda name: api.remove_volume(name, force=True),
                ),
            ]
            for names, remove in kinds:
                for name in names:
                    try:
                        remove(name)
                    except docker.errors.NotFound:
                        continue

    @functools.cached_property
    def _identity(self) -> str:
        """Which engine this is."""
        with explained(image="", network=""):
            return str(self._engine.info()["ID"])

    def _require_own(self, lab: LabRecord) -> None:
        """See that this is the engine that has the lab; raises LabError."""
        if lab.engine is not None and lab.engine.identity != self._identity:
            raise LabError(
                f"lab {lab.name} was made with another Docker engine than this one",
                remedy=remedy_for_engine(lab.engine, docker_host=self._docker_host),
            )

    def _has_image(self, image: str) -> bool:
        with explained(image=image, network=""):
            return bool(self._engine.api.images(name=image))

    def _import(self, tree: Path, image: str) -> None:
        """Make an image of a tree."""
        repository, _, tag = image.partition(":")
        changes = [
            'CMD ["/sbin/init"]',
            "ENV container=docker",
            f"ENV PATH={_PATH}",
            f"LABEL {LABEL}.base={tag}",
        ]
        words = ["tar", "--create", "--numeric-owner", "--one-file-system"]
        words += [f"--directory={tree}", "."]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            with explained(image=image, network=""):
                self._engine.api.import_image_from_stream(
                    tar.stdout, repository=repository, tag=tag, changes=changes
                )
        if tar.returncode != 0:
            with explained(image=image, network=""):
                self._engine.api.remove_image(image)
            raise LabError(f"tar could not read {tree}")

    def _make_network(self, lab: LabRecord) -> IPv4Network:
        """A bridge on a /24 that nothing here uses; others may take one at the same time."""
        taken = parse_routes(Path("/proc/net/route").read_text())
        with explained(image=lab.base, network=resource_name(lab)):
            for network in self._engine.api.networks():
                configs = network["IPAM"]["Config"] or ()
                subnets = (config.get("Subnet", "") for config in configs)
                taken += [IPv4Network(subnet, strict=False) for subnet in subnets if "." in subnet]
        while True:
            subnet = free_subnet(taken)
            try:
                self._create_network(lab, subnet)
            except EngineError as error:
                if "overlap" not in str(error):
                    raise
                taken.append(subnet)
            else:
                return subnet

    def _create_network(self, lab: LabRecord, subnet: IPv4Network) -> None:
        import docker.types

        name = resource_name(lab)
        pool = docker.types.IPAMPool(subnet=str(subnet))
        ipam = docker.types.IPAMConfig(pool_configs=[pool])
        of_name: dict[str, Any] = {"label": f"{NAME_LABEL}={lab.name}"}
        api = self._engine.api
        with explained(image=lab.base, network=name):
            if (
                api.networks(filters=of_name)
                or api.containers(all=True, filters=of_name)
                # A volume that is there would be taken as it is.
                or api.volumes(filters=of_name)["Volumes"]
            ):
                raise LabError(
                    f"this Docker engine has a lab {lab.name} already, of another account "
                    "or of a directory that was deleted",
                    remedy=f"give another --name; or remove what has the label "
                    f"{NAME_LABEL}={lab.name}, with docker rm, docker network rm, docker volume rm",
                )
            api.create_network(
                name, driver="bridge", ipam=ipam, check_duplicate=True, labels=labels(lab)
            )

    def _container_options(self, lab: LabRecord, host: HostRecord) -> dict[str, Any]:
        """What the engine is told of a host: docs.docker.com/reference/api/engine."""
        is_cgroup2 = self._engine.info().get("CgroupVersion") == "2"
        return container_options(lab, host, is_cgroup2=is_cgroup2, has_modules=_MODULES.is_dir())


def container_options(
    lab: LabRecord, host: HostRecord, *, is_cgroup2: bool, has_modules: bool
) -> dict[str, Any]:
    """The body of the request that creates a host's container. Pure."""
    network = resource_name(lab)
    # Docker mounts both read-only. Docker 29, in the host, makes no overlay where it cannot write
    # to the first, which is the host's own, as the rest of /proc/sys is not. systemd needs the
    # second.
    init = ["mount --bind /proc/sys/net /proc/sys/net", "mount -o remount,bind,rw /proc/sys/net"]
    init += ["mount -o remount,rw /sys/fs/cgroup"] if is_cgroup2 else []
    init += ["exec /sbin/init"]
    binds = [f"{volume_name(lab, host.name)}:/var/lib/docker"]
    # Containers share a kernel, which exports and mounts NFS for none or one of them.
    binds += [f"{resource_name(lab, SHARE)}:/{SHARE}"]
    binds += [] if is_cgroup2 else ["/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    # For modprobe of nfsd, vxlan and their like, which load into this machine's kernel.
    binds += [f"{_MODULES}:{_MODULES}:ro"] if has_modules else []
    others = [f"{other.name}:{other.address}" for other in lab.hosts if other != host]
    return {
        "Image": lab.base,
        "Hostname": host.name,
        "Cmd": ["/bin/sh", "-c", " && ".join(init)],
        "Labels": labels(lab),
        "StopSignal": "SIGRTMIN+3",  # systemd's word for: power off
        "Tty": True,  # else systemd does not tell its console what fails
        "HostConfig": {
            "NetworkMode": network,
            # Not --privileged: an engine without CAP_SYS_RESOURCE itself could not start it.
            "CapAdd": ["ALL"],
            "CapDrop": ["SYS_RESOURCE"],
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
            "Tmpfs": {"/run": "exec,mode=755", "/tmp": "exec,mode=1777"},
            "Binds": binds,
            "ShmSize": 2**30,
            "ExtraHosts": others,
            # systemctl reboot ends the container with the status of a signal.
            "RestartPolicy": {"Name": "on-failure"},
            **({"CgroupnsMode": "private"} if is_cgroup2 else {}),
        },
        "NetworkingConfig": {
            "EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": host.address}}}
        },
    }


def remedy_for_engine(engine: EngineRecord, *, docker_host: str | None) -> str:
    """How the engine that has a lab is reached, where another one answers. Pure."""
    gone = "if that engine is gone for good, remove the lab's directory (mrunkit lab ls --json)"
    if engine.docker_host == docker_host:
        return f"it was reached in the same way; {gone}"
    if engine.docker_host is None:
        return f"unset DOCKER_HOST; {gone}"
    return f"set DOCKER_HOST={engine.docker_host}; {gone}"


def _require_inotify(count: int) -> None:
    """See that this kernel has room for so many; raises LabError."""
    limit = Path("/proc/sys", *INOTIFY_LIMIT.split("."))
    obstacle = inotify_obstacle(int(limit.read_text()), count) if limit.exists() else None
    if obstacle is not None:
        raise LabError(obstacle, remedy=RAISE_INOTIFY)


def resource_name(lab: LabRecord, host: str | None = None) -> str:
    """The name of a lab's network, of a host's container, or of the share's volume."""
    return f"mrunkit-lab-{lab.name}" + (f"-{host}" if host else "")


def volume_name(lab: LabRecord, host: str) -> str:
    """The name of the volume for a host's own Docker, which needs a real file system."""
    return f"{resource_name(lab, host)}-docker"


def labels(lab: LabRecord) -> dict[str, str]:
    """The labels of all that belongs to a lab."""
    return {LABEL: lab.identity, NAME_LABEL: lab.name}


def _of(lab: LabRecord) -> dict[str, Any]:
    return {"label": f"{LABEL}={lab.identity}"}
