"""Checks of each host as a machine: root, Python, system, clock, disk, and what is in the way."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from mrunkit.provision.fitness.found import Host, Problem, Settings, with_probe

SUPPORTED = "Debian 12 or 13, Ubuntu 22.04 or 24.04, Rocky or Alma Linux 8 or 9, or CentOS 7"


DEBIAN_LIKE = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}


REDHAT_LIKE = {
    "almalinux": ("8", "9"),
    "centos": ("7", "8", "9"),
    "rhel": ("8", "9"),
    "rocky": ("8", "9"),
}


OLDEST_PYTHON = {16: (2, 7), 17: (3, 7), 18: (3, 8), 19: (3, 8)}
"""By minor version of ansible-core 2: what it runs on."""


OLDEST_PYTHON_SINCE = (3, 9)
"""For those after the table."""


OLDER_ANSIBLE = (
    "install ansible-core 2.16 here: pip install 'ansible-core==2.16.*'; for that mrunkit has to be"
    " on Python 3.11 or 3.12"
)


def check_become(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Root's rights are to be had by sudo."""
    for host in hosts:
        if host.become_error is None:
            continue
        said = host.become_error.lower()
        if "not found" in said or "no such file" in said:
            problem, remedy = (
                "no sudo",
                "as root: apt-get install sudo, or yum install sudo; or set ansible_user=root",
            )
        else:
            problem, remedy = (
                f"sudo refuses: {host.become_error}",
                "let the user become root without a password: NOPASSWD in /etc/sudoers.d",
            )
        yield Problem(check="sudo", host=host.name, problem=problem, remedy=remedy)


def check_python(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host has a Python that this ansible-core runs on."""
    oldest = OLDEST_PYTHON.get(int(settings.ansible.split(".")[1]), OLDEST_PYTHON_SINCE)
    for host in hosts:
        if host.unreachable is not None:
            continue
        if not host.pythons:
            problem = "no python3"
            remedy = "as root: apt-get install python3, or yum install python3"
        elif all(version < oldest for _, version in host.pythons):
            path, version = max(host.pythons, key=lambda found: found[1])
            problem = (
                f"{path} is Python {_dotted(version)}; ansible-core {settings.ansible} here"
                f" needs {_dotted(oldest)} or later there"
            )
            remedy = OLDER_ANSIBLE
        elif host.probe_error is not None:
            problem = f"a module of Ansible fails: {host.probe_error}"
            remedy = "run again with -vvv to see all of it"
        else:
            continue
        yield Problem(check="python", host=host.name, problem=problem, remedy=remedy)


def check_system(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host runs a system that the roles know."""
    for host, probe in with_probe(hosts):
        system, version = probe["system"].get("ID", "?"), probe["system"].get("VERSION_ID", "?")
        release = version.split(".")[0]
        if (system, version) not in DEBIAN_LIKE and release not in REDHAT_LIKE.get(system, ()):
            yield Problem(
                check="system",
                host=host.name,
                problem=f"runs {probe['system'].get('PRETTY_NAME', f'{system} {version}')}",
                remedy=f"install {SUPPORTED}; or try it with this check left out",
            )
        elif system in REDHAT_LIKE and release in ("7", "8") and _minor(settings.ansible) > 16:
            yield Problem(
                check="python",
                host=host.name,
                problem=f"its package manager has Python {'2.7' if release == '7' else '3.6'}"
                f" only, which ansible-core {settings.ansible} here does not run on",
                remedy=OLDER_ANSIBLE,
            )


def check_clocks(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The clocks agree well enough for certificates, make and tickets.

    Each was read some time between question and answer, so how far it is ahead of this machine's
    lies between two bounds; it is told only where both are beyond the others' middle.
    """
    probed = list(with_probe(hosts))
    if not probed:
        return
    least = {host.name: probe["clock"] - host.answered for host, probe in probed}
    most = {host.name: probe["clock"] - probe["clock_asked"] for host, probe in probed}
    low, high = statistics.median(least.values()), statistics.median(most.values())
    for name in least:
        ahead, behind = least[name] - high, low - most[name]
        if max(ahead, behind) > settings.clock_tolerance:
            way = "ahead of" if ahead > behind else "behind"
            yield Problem(
                check="clock",
                host=name,
                problem=f"its clock is {max(ahead, behind):.0f} s or more {way} the others'",
                remedy="set it: chronyc makestep, or date -s; and find out why it is not kept",
            )


def check_space(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each file system has room for all that will lie on it."""
    for host, probe in with_probe(hosts):
        needs: dict[int, int] = defaultdict(int)
        paths: dict[int, list[str]] = defaultdict(list)
        free: dict[int, int] = {}
        for path, seen in probe["space"].items():
            needs[seen["device"]] += settings.free_mib.get(path, 0)
            paths[seen["device"]].append(path)
            free[seen["device"]] = seen["free"] >> 20
        for device, need in needs.items():
            if free[device] < need:
                yield Problem(
                    check="disk",
                    host=host.name,
                    problem=f"{free[device]} MiB free for {' and '.join(paths[device])},"
                    f" {need} MiB wanted",
                    remedy="make room (docker system prune, old logs and kernels),"
                    " or lower validate_free_mib",
                )


def check_share(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """A host that mounts the share has nothing of its own there, which would be out of reach."""
    for host, probe in with_probe(hosts):
        hidden = probe["hidden_by_share"]
        if not hidden or not settings.has_nfs or host.name == settings.storage_host:
            continue
        has = "files" if hidden == "files" else f"a file system ({hidden})"
        yield Problem(
            check="share",
            host=host.name,
            problem=f"has {has} of its own at {settings.share}, which the share would hide",
            remedy=(
                "move that away, or name another directory with lab_share; if it is the same on all"
                " hosts already, set nfs_provides_share=false"
            ),
        )


def check_taken(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Nobody else has something where the lab would put its own."""
    for host, probe in with_probe(hosts):
        for path in probe["taken"]:
            unit = path.rpartition("/")[2]
            is_unit = unit.endswith(".service")
            yield Problem(
                check="taken",
                host=host.name,
                problem=f"has a {path} that is not mrunkit's, which would be lost",
                remedy=f"move it away, after systemctl disable --now {unit}"
                if is_unit
                else "move it away, or name another path with mpich_prefix",
            )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _minor(ansible: str) -> int:
    return int(ansible.split(".")[1])
