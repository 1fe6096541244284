"""Each machine by itself, and next to the others: clock, disk, limits, versions, image. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mrunkit.containers.images import short_id
from mrunkit.provision.doctor.facts import Clock, Disk, HostFacts, Missing
from mrunkit.provision.doctor.verdicts import Problem, differing, named

SPREAD_SECONDS = 0.5
"""More apart than this, and make, logs and tokens go by a wrong time."""
LEAST_FREE_MB = 2048
LEAST_FREE_SHARE = 0.05
LEAST_OPEN_FILES = 4096
"""A rank that talks TCP to many others opens a socket for each."""

Facts = Mapping[str, HostFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A host's clock as it was read: between two moments of this machine's."""

    before: float
    told: float
    after: float

    @property
    def ahead(self) -> float:
        """Seconds that the host is ahead of this machine, give or take `doubt`."""
        return self.told - (self.before + self.after) / 2

    @property
    def doubt(self) -> float:
        """Half the time that asking took."""
        return (self.after - self.before) / 2


def clock_problems(facts: Facts, readings: Mapping[str, Reading]) -> Iterator[Problem]:
    """Clocks that nobody keeps, and clocks that are apart beyond the doubt in reading them."""
    for host, of_host in facts.items():
        clock = of_host.clock
        if isinstance(clock, Missing):
            yield Problem(what=clock.why, remedy="mrunkit bootstrap --tags base", host=host)
        elif not clock.is_kept:
            yield Problem(
                what=f"the clock is not synchronised, says {clock.by}",
                remedy="see on the host: chronyc sources; is a time server reached (UDP 123)?",
                host=host,
            )
    if len(readings) < 2:
        return
    first = min(readings, key=lambda host: readings[host].ahead)
    last = max(readings, key=lambda host: readings[host].ahead)
    apart = readings[last].ahead - readings[first].ahead
    if apart - readings[first].doubt - readings[last].doubt > SPREAD_SECONDS:
        yield Problem(
            what=f"{last} is {apart:.1f} s ahead of {first}",
            remedy="set the clocks once with: chronyc makestep",
        )


def clocks_seen(facts: Facts, readings: Mapping[str, Reading]) -> str:
    """What keeps the clocks, and how far apart they are."""
    keepers = {f.clock.by for f in facts.values() if isinstance(f.clock, Clock)}
    ahead = [reading.ahead for reading in readings.values()]
    doubt = max((reading.doubt for reading in readings.values()), default=0.0)
    apart = max(ahead, default=0.0) - min(ahead, default=0.0)
    by = "/".join(sorted(keepers))
    return f"kept by {by}, {apart * 1000:.0f} ms apart (give or take {doubt * 2000:.0f})"


def disk_problems(facts: Facts) -> Iterator[Problem]:
    """File systems with too little room for an image or a job's files."""
    for host, of_host in facts.items():
        if isinstance(of_host.disks, Missing):
            yield Problem(what=of_host.disks.why, remedy=f"log in to {host} and see", host=host)
            continue
        for disk in of_host.disks:
            if disk.free < LEAST_FREE_MB or disk.free < disk.size * LEAST_FREE_SHARE:
                yield Problem(
                    what=f"{disk.directory} has {_gb(disk.free)} of {_gb(disk.size)} left",
                    remedy="make room: docker system prune, journalctl --vacuum-size=200M",
                    host=host,
                )


def disks_seen(facts: Facts) -> str:
    """Where there is least."""
    disks: list[tuple[int, str, Disk]] = [
        (disk.free, host, disk)
        for host, of_host in facts.items()
        if not isinstance(of_host.disks, Missing)
        for disk in of_host.disks
    ]
    if not disks:
        return "nothing"
    free, host, disk = min(disks, key=lambda entry: entry[0])
    return f"at least {_gb(free)} free ({disk.directory} of {host})"


def nofile_problems(facts: Facts) -> Iterator[Problem]:
    """Users whose processes may open too few files."""
    for host, of_host in facts.items():
        limit = of_host.open_files
        if isinstance(limit, Missing):
            yield Problem(what=limit.why, remedy=f"log in to {host} and see", host=host)
        elif limit < LEAST_OPEN_FILES:
            yield Problem(
                what=f"the lab's user may open {limit} files; {LEAST_OPEN_FILES} are needed",
                remedy="mrunkit bootstrap --tags base, or raise nofile in /etc/security/limits.d",
                host=host,
            )


def nofile_seen(facts: Facts) -> str:
    """The lowest limit."""
    limits = [f.open_files for f in facts.values() if not isinstance(f.open_files, Missing)]
    return f"at least {min(limits, default=0)} open files"


def version_problems(facts: Facts, mesos: Mapping[str, str]) -> Iterator[Problem]:
    """What is not there, or not the same everywhere; `mesos` by agent and master."""
    docker: dict[str, str] = {}
    mpich: dict[str, str] = {}
    for host, of_host in facts.items():
        if isinstance(of_host.docker, Missing):
            yield Problem(
                what=f"Docker: {of_host.docker.why}",
                remedy="mrunkit bootstrap --tags docker, then: systemctl status docker",
                host=host,
            )
        else:
            docker[host] = of_host.docker.version
        if isinstance(of_host.mpich, Missing):
            yield Problem(
                what=f"MPICH: {of_host.mpich.why}",
                remedy="mrunkit bootstrap --tags mpich",
                host=host,
            )
        else:
            mpich[host] = f"{of_host.mpich.version} ({of_host.mpich.mpiexec})"
    yield from differing("Docker", docker, remedy="mrunkit bootstrap --tags docker")
    yield from differing("MPICH", mpich, remedy="mrunkit bootstrap --tags mpich")
    yield from differing("Mesos", mesos, remedy="mrunkit bootstrap --tags mesos")


def versions_seen(facts: Facts, mesos: Mapping[str, str]) -> str:
    """The versions that all have."""
    docker = {f.docker.version for f in facts.values() if not isinstance(f.docker, Missing)}
    mpich = {f.mpich.version for f in facts.values() if not isinstance(f.mpich, Missing)}
    told = (("Docker", docker), ("MPICH", mpich), ("Mesos", set(mesos.values())))
    return ", ".join(f"{name} {'/'.join(sorted(versions))}" for name, versions in told if versions)


def image_problems(facts: Facts, image: str, inventory: str) -> Iterator[Problem]:
    """Hosts without the image, and hosts with another one of that name."""
    remedy = f"mrunkit image distribute {shlex.quote(inventory)} {image}"
    ids: dict[str, str] = {}
    for host, of_host in facts.items():
        image_id = of_host.image_id
        if image_id is None:
            yield Problem(what=f"no image {image}", remedy=remedy, host=host)
        elif isinstance(image_id, Missing):
            yield Problem(what=image_id.why, remedy="see versions", host=host)
        else:
            ids[host] = short_id(image_id)
    yield from differing(image, ids, remedy=remedy)


def image_seen(facts: Facts, image: str) -> str:
    """The id that all have."""
    ids = {short_id(f.image_id) for f in facts.values() if isinstance(f.image_id, str)}
    return f"{image} is {named(sorted(ids))}"


def _gb(mb: int) -> str:
    return f"{mb / 1024:.1f} GB"
