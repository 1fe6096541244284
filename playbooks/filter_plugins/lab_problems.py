"""What keeps a lab from being set up, decided from what was seen of its hosts.

Owns the decision and its words, likely cause and remedy included. Looks at nothing itself and
imports nothing of Ansible: values in, problems out, all of them at once. One file, since Ansible
loads each plugin file by itself, and none can import another.
"""

from __future__ import annotations

import ipaddress
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

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

ENCRYPTION_MATCHES = ("xt_bpf", "xt_u32")
"""Docker sorts out what is to be encrypted with one of them."""
BPF_SINCE = (20, 10, 24)
BPF_SINCE_IN_23 = (23, 0, 3)
"""With these it began to try bpf where there is no u32 (CVE-2023-28840 and its like)."""
BPF_ALONE_SINCE = (25, 0, 0)
"""By now it takes bpf and nothing else (moby#45281)."""

OLDEST_DOCKER = {
    ("debian", "13"): {"distribution": 26, "repository": 28},
    ("ubuntu", "24.04"): {"repository": 26},
}
"""Major versions with which Docker's sources begin, where that is later than 25."""

RETIRED = {("centos", "7")}
"""Supported all the same, for old experiments."""

OLDER_ANSIBLE = (
    "install ansible-core 2.16 here: pip install 'ansible-core==2.16.*'; for that mrunkit has to be"
    " on Python 3.11 or 3.12"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to mend before anything is set up."""

    check: str
    """Which check found it; validate_skip leaves it out."""
    host: str | None
    """None: it is about the inventory as a whole."""
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host as it was found."""

    name: str
    unreachable: str | None
    """Why it cannot be reached."""
    become_error: str | None
    """Why root's rights cannot be had."""
    pythons: tuple[tuple[str, tuple[int, ...]], ...]
    """Path and version of each Python."""
    probe_error: str | None
    probe: Mapping[str, Any] | None
    """What lab_probe told; None where it could not run."""
    answered: float
    """When lab_probe's answer was there, by this machine's clock."""
    is_new: bool
    """No run before this one has seen it."""
    address: str
    """By which the other hosts reach it; empty: none was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the lab is to be."""

    ansible: str
    groups: Mapping[str, Sequence[str]]
    known_addresses: Mapping[str, str]
    """Of the hosts that are left out of this run, from an earlier one."""
    user: str
    interface: str
    share: str
    has_nfs: bool
    subnet: str
    is_encrypted: bool
    docker_source: str
    docker_version: str
    """Which is asked for, or its beginning."""
    docker_max_major: str
    """Empty: any."""
    docker_repository_url: str
    """Empty: Docker's own."""
    docker_is_upgraded: bool
    needs_cgroups_v1: bool
    """Its agents are to be Apache Mesos' own, and run containers."""
    clock_tolerance: float
    free_mib: Mapping[str, int]
    skip: Sequence[str]

    @property
    def storage_host(self) -> str | None:
        """Who exports the share."""
        return next(iter(self.members("storage") or self.members("masters")), None)

    def members(self, group: str) -> Sequence[str]:
        """A group's hosts; a group that is not there has none."""
        return self.groups.get(group, ())


Check = Callable[[Sequence[Host], Settings], Iterable[Problem]]


def lab_problems(
    seen: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """All problems of a lab: `seen` is what the play registered, by host."""
    hosts = [_host(name, host) for name, host in seen.items()]
    wanted = Settings(**settings)
    problems = (problem for check in CHECKS for problem in check(hosts, wanted))
    return [asdict(problem) for problem in problems if problem.check not in wanted.skip]


def lab_problems_text(problems: Sequence[Mapping[str, Any]]) -> str:
    """Problems for people: hosts with the same problem together, the remedy beneath it."""
    same: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for item in problems:
        same[item["check"], item["problem"], item["remedy"]] += [item["host"] or "inventory"]
    count = "1 problem" if len(same) == 1 else f"{len(same)} problems"
    lines = [f"{count} found before anything was changed on any host:"]
    for (check, problem, remedy), hosts in same.items():
        lines += ["", f"{_enumerated(hosts)}: {problem} [{check}]", f"  Remedy: {remedy}"]
    return "\n".join(lines)


def lab_retired_hosts(seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts whose system gets no updates any more."""
    probed = _probed([_host(name, host) for name, host in seen.items()])
    systems = ((host.name, probe["system"]) for host, probe in probed)
    return [name for name, system in systems if _release(system) in RETIRED]


def _enumerated(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# From what Ansible registered


def _host(name: str, seen: Mapping[str, Any]) -> Host:
    reached, tried, probed = seen["reached"], seen["tried"], seen["probed"]
    unreachable = str(reached.get("msg", "no answer")) if reached.get("unreachable") else None
    became = reached.get("rc") == 0
    probe = probed.get("probe")
    return Host(
        name=name,
        unreachable=unreachable,
        become_error=None if unreachable or became else _said(reached),
        pythons=tuple(_pythons(str((reached if became else tried).get("stdout", "")))),
        probe_error=None if probe or probed.get("skipped") else _said(probed),
        probe=probe,
        answered=float(seen.get("answered") or 0),
        is_new=bool(seen.get("is_new")),
        address=str(seen.get("address") or ""),
    )


def _pythons(output: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Lines such as `python /usr/bin/python3 Python 3.11.2`, amid whatever a login prints."""
    for path, version in re.findall(r"^python (\S+) Python (\d+\.\d+)", output, re.MULTILINE):
        yield path, tuple(map(int, version.split(".")))


def _said(result: Mapping[str, Any]) -> str:
    texts = [str(result.get(key, "")) for key in ("stderr", "module_stderr", "stdout", "msg")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return next((line for line in lines if line and not line.startswith("Shared conn")), "?")


# The checks, in the order in which one would mend what they find


def check_groups(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The groups say who is what, in numbers that can work."""
    for group in ("masters", "agents"):
        if not settings.members(group):
            remedy = f"name its hosts under [{group}]; see `mrunkit init` for an example"
            yield _inventory("groups", f"group [{group}] is missing or has no host", remedy)
    for group in ("masters", "managers"):
        if len(members := settings.members(group)) not in (0, 1, 3):
            yield _inventory(
                "groups",
                f"group [{group}] has {len(members)} hosts: {_enumerated(members)}",
                "name 1, or 3 of which any two can decide",
            )
    if len(members := settings.members("storage")) > 1:
        yield _inventory(
            "groups",
            f"group [storage] has {len(members)} hosts: {_enumerated(members)}",
            "name the one that exports the share",
        )


def check_reach(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host answers, by a name that resolves and with a key that fits."""
    causes = {
        "could not resolve": (
            "names",
            "correct the name in the inventory, or give its address as ansible_host",
        ),
        "host key verification failed": (
            "reach",
            "connect once by hand with ssh and compare the key; if it changed with a new"
            " installation, remove the old one with ssh-keygen -R",
        ),
        # Before what it leads to.
        "no such identity": (
            "reach",
            "correct ansible_ssh_private_key_file in the inventory",
        ),
        "permission denied": (
            "reach",
            "check ansible_user and ansible_ssh_private_key_file; ssh-copy-id installs a key",
        ),
        "connection refused": ("reach", "check that sshd runs there, and ansible_port"),
        # In whatever else ssh says.
        "": (
            "reach",
            "check that it is on, and its address, route and firewall;"
            " to do without it for now, take it out of the inventory",
        ),
    }
    for host in hosts:
        if host.unreachable is None:
            continue
        said = host.unreachable.rpartition("Failed to connect to the host via ssh: ")[2]
        lines = [line.strip() for line in said.strip().splitlines()] or ["no answer"]
        cause = next(cause for cause in causes if cause in said.lower())
        check, remedy = causes[cause]
        line = [line for line in lines if cause in line.lower()][-1]
        yield Problem(check=check, host=host.name, problem=f"unreachable: {line}", remedy=remedy)


def check_duplicates(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """No machine is named twice, and none is another's copy."""
    known = settings.known_addresses.items()
    addresses = [*((host.address, host.name) for host in hosts), *((a, name) for name, a in known)]
    named_twice = set()
    for address, names in _shared(addresses):
        named_twice.add(frozenset(names))
        yield Problem(
            check="duplicate",
            host=names[0],
            problem=f"has the address {address}, and so has {_enumerated(names[1:])}",
            remedy="name each host once; if they are two, give each its own lab_address",
        )
    probed = [(host.name, host.probe) for host in hosts if host.probe]
    for identity, names in _shared((probe["machine_id"], name) for name, probe in probed):
        if frozenset(names) not in named_twice:
            yield Problem(
                check="machine-id",
                host=names[0],
                problem=f"has the machine-id {identity}, and so has {_enumerated(names[1:])}:"
                " one machine named twice, or copies of one disk",
                remedy="on each copy: rm /etc/machine-id /var/lib/dbus/machine-id;"
                " systemd-machine-id-setup; reboot",
            )
    for hostname, names in _shared((probe["hostname"], name) for name, probe in probed):
        if frozenset(names) not in named_twice:
            yield Problem(
                check="names",
                host=names[0],
                problem=f"calls itself {hostname}, and so does {_enumerated(names[1:])}",
                remedy="give each a name of its own: hostnamectl set-hostname NAME",
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
    for host, probe in _probed(hosts):
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


def check_user(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The lab's user is there, with one uid, or its files would be another's on other hosts."""
    uids = defaultdict(list)
    for host, probe in _probed(hosts):
        if probe["account"] is None:
            remedy = f"create it with the same uid on all hosts: useradd -m -u UID {settings.user}"
            problem = f"has no user {settings.user}"
            yield Problem(check="user", host=host.name, problem=problem, remedy=remedy)
        else:
            uids[probe["account"]["uid"]].append(host.name)
    if len(uids) > 1:
        told = "; ".join(f"{uid} on {_enumerated(names)}" for uid, names in uids.items())
        yield _inventory(
            "user",
            f"user {settings.user} has different uids: {told}",
            "give it one: usermod -u UID; on the share its files are told apart by uid",
        )


def check_addresses(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Each host has an address by which others reach it."""
    for host, _ in _probed(hosts):
        parsed = _address(host.address)
        if not host.address:
            where = f"interface {settings.interface}" if settings.interface else "default route"
            problem = f"no IPv4 address of its {where}"
            remedy = "set lab_interface, or lab_address for this host"
        elif parsed is None:
            problem = f"lab_address {host.address} is no IPv4 address"
            remedy = "write the address: names are given to the hosts only later"
        elif parsed.is_loopback:
            problem = f"lab_address {host.address} reaches no other host"
            remedy = "set lab_address to the address in the hosts' common network"
        else:
            continue
        yield Problem(check="names", host=host.name, problem=problem, remedy=remedy)
    everyone = {name for members in settings.groups.values() for name in members}
    known = {host.name for host in hosts} | set(settings.known_addresses)
    for name in sorted(everyone - known):
        yield Problem(
            check="names",
            host=name,
            problem="is left out of this run, and no earlier one noted its address",
            remedy="run once without --limit; if it is down, take it out of the inventory",
        )
    for host in hosts:
        if host.is_new and everyone - {host.name for host in hosts}:
            yield Problem(
                check="names",
                host=host.name,
                problem="is new, and the hosts that --limit leaves out would not learn of it",
                remedy="run once without --limit",
            )


def check_clocks(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The clocks agree well enough for certificates, make and tickets.

    Each was read some time between question and answer, so how far it is ahead of this machine's
    lies between two bounds; it is told only where both are beyond the others' middle.
    """
    probed = list(_probed(hosts))
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
    for host, probe in _probed(hosts):
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
    for host, probe in _probed(hosts):
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
    for host, probe in _probed(hosts):
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


def check_kernel(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The kernel has what the share and the overlay network are made of."""
    for host, probe in _probed(hosts):
        kernel = probe["kernel"]
        lacking = {name for name, answer in kernel["features"].items() if answer == "no"}
        for check, module, purpose in _asked_of_kernel(host, settings):
            alternatives = module.split("|")
            if not lacking.issuperset(alternatives):
                continue
            yield Problem(
                check=check,
                host=host.name,
                problem=f"its kernel {kernel['release']} has no {' nor '.join(alternatives)},"
                f" which {purpose} needs",
                remedy=_kernel_remedy(kernel, probe["system"], check, module),
            )


def _asked_of_kernel(host: Host, settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.has_nfs and host.name == settings.storage_host:
        yield "nfs", "nfsd", f"exporting {settings.share}"
    elif settings.has_nfs:
        yield "nfs", "nfsv4", f"mounting {settings.share}"
    yield "vxlan", "vxlan", "the overlay network"
    if settings.is_encrypted:
        yield "encryption", "esp4", "the overlay network's encryption"
        docker = _coming_docker(host, settings)
        engine = f" by Docker {docker}" if docker else ""
        matches = "|".join(_encryption_matches(_docker_numbers(docker)))
        yield "encryption", matches, f"the overlay network's encryption{engine}"


def _coming_docker(host: Host, settings: Settings) -> str:
    """The version that the host will have; empty: the newest that is to be had."""
    there = str(host.probe["docker"]) if host.probe else ""
    return settings.docker_version if not there or settings.docker_is_upgraded else there


def _docker_numbers(version: str) -> tuple[int, ...]:
    """Three; where less are told it is the newest that begins so."""
    told = re.match(r"(?:\d+:)?([\d.]*)", version)
    numbers = [int(number) for number in re.findall(r"\d+", told[1] if told else "")]
    return (*numbers, 999, 999, 999)[:3] if numbers else ()


def _encryption_matches(docker: tuple[int, ...]) -> Sequence[str]:
    if not docker:
        return ENCRYPTION_MATCHES
    if docker < BPF_SINCE or (23,) < docker < BPF_SINCE_IN_23:
        return ("xt_u32",)
    return ("xt_bpf",) if docker >= BPF_ALONE_SINCE else ENCRYPTION_MATCHES


def _kernel_remedy(
    kernel: Mapping[str, Any], system: Mapping[str, str], check: str, module: str
) -> str:
    if kernel["is_replaced"]:
        return "reboot it: its modules are gone from the disk, as after an upgrade of the kernel"
    if module == "xt_u32":
        return "let Docker be 20.10.24, 23.0.3 or later, which needs none: -e docker_upgrade=true"
    instead = {
        "nfs": ", or share the directory some other way and set nfs_provides_share: false",
        "encryption": ", or set lab_network_is_encrypted: false where the wire is trusted",
    }.get(check, "")
    # All its modules are in the package of the kernel itself.
    if _release(system) == ("centos", "7"):
        return f"boot a kernel of the distribution: yum install kernel{instead}"
    if system.get("ID") in REDHAT_LIKE:
        return f"dnf install kernel-modules-extra, and reboot if it brings a kernel{instead}"
    if system.get("ID") == "ubuntu":
        return f"apt-get install linux-modules-extra-$(uname -r){instead}"
    return f"boot a kernel of the distribution: apt-get install linux-image-amd64{instead}"


def check_docker(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """Docker is, or will be, one that the lab's Mesos works with."""
    if not settings.docker_max_major:
        return
    most = int(settings.docker_max_major)
    source = settings.docker_source or "distribution"
    is_own = source == "repository" and bool(settings.docker_repository_url)
    for host, probe in _probed(hosts):
        system = probe["system"].get("ID", ""), probe["system"].get("VERSION_ID", "")
        begins = OLDEST_DOCKER.get(system, {})
        oldest = begins.get(source, 0)
        has_older = is_own or oldest <= most
        there = _docker_numbers(probe["docker"])
        if there[0] <= most if there else has_older:
            continue
        none = f"no Docker, and its {source} none before {oldest}"
        seen = f"Docker {probe['docker']}" if there else none
        yield Problem(
            check="docker",
            host=host.name,
            problem=f"has {seen}; docker_max_major is {most}, as agents of Apache Mesos start no"
            " container with a newer one",
            remedy=_way_to_older_docker(begins, is_there=bool(there), has_older=has_older)
            + "take the maintained fork of Mesos (mesos_package=aventer-mesos, and"
            " docker_max_major='' if that is set)",
        )


def _way_to_older_docker(begins: Mapping[str, int], *, is_there: bool, has_older: bool) -> str:
    """What to do for one before an "or", if there is any."""
    if not has_older and "distribution" in begins:
        return ""
    steps = ["remove it"] if is_there else []
    steps += [] if has_older else ["leave docker_source out"]
    return " and ".join(steps) + ", or "


def check_cgroups(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """An agent of Apache Mesos does not start where it finds no hierarchy for processors."""
    if not settings.needs_cgroups_v1:
        return
    for host, probe in _probed(hosts):
        if host.name in settings.members("agents") and not probe["has_cgroups_v1"]:
            yield Problem(
                check="cgroups",
                host=host.name,
                problem="has cgroup v2 only, and agents of Apache Mesos run containers with v1",
                remedy="boot it with systemd.unified_cgroup_hierarchy=0 on its kernel's command"
                " line (from systemd 256 on with SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1, too), or"
                " take the maintained fork of Mesos (mesos_package=aventer-mesos)",
            )


def check_subnet(hosts: Sequence[Host], settings: Settings) -> Iterator[Problem]:
    """The overlay's subnet is free, and has an address for all that will be in it."""
    try:
        subnet = ipaddress.IPv4Network(settings.subnet)
    except ValueError as error:
        remedy = "write a network such as 10.0.9.0/24"
        yield _inventory("subnet", f"lab_network_subnet: {error}", remedy)
        return
    everyone = {name for members in settings.groups.values() for name in members}
    count = max(len(everyone), len(hosts))
    # On each host one for the overlay itself and one for a job's container; one for mpiexec;
    # the network's own, its gateway's and the broadcast's.
    wanted = 2 * count + 4
    if subnet.num_addresses < wanted:
        prefix = 32 - (wanted - 1).bit_length()
        yield _inventory(
            "subnet",
            f"lab_network_subnet {subnet} has {subnet.num_addresses} addresses,"
            f" {count} hosts want {wanted}",
            f"take a /{prefix} or larger",
        )
    for host, probe in _probed(hosts):
        for seen in probe["networks"]:
            if subnet.overlaps(ipaddress.IPv4Network(seen["network"], strict=False)):
                yield Problem(
                    check="subnet",
                    host=host.name,
                    problem=f"has the network {seen['network']} ({seen['interface']}), which"
                    f" lab_network_subnet {subnet} overlaps",
                    remedy="choose a lab_network_subnet that no host has a route to",
                )


CHECKS: tuple[Check, ...] = (
    check_groups,
    check_reach,
    check_become,
    check_python,
    check_system,
    check_user,
    check_addresses,
    check_duplicates,
    check_clocks,
    check_space,
    check_share,
    check_taken,
    check_kernel,
    check_docker,
    check_cgroups,
    check_subnet,
)


def _probed(hosts: Sequence[Host]) -> Iterator[tuple[Host, Mapping[str, Any]]]:
    return ((host, host.probe) for host in hosts if host.probe is not None)


def _inventory(check: str, problem: str, remedy: str) -> Problem:
    return Problem(check=check, host=None, problem=problem, remedy=remedy)


def _shared(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Values that more than one name has; the empty value is nobody's."""
    names = defaultdict(list)
    for value, name in pairs:
        names[value].append(name)
    return ((value, found) for value, found in names.items() if value and len(found) > 1)


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _release(system: Mapping[str, str]) -> tuple[str, str]:
    """A system and its major version."""
    return system.get("ID", ""), system.get("VERSION_ID", "").split(".")[0]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _minor(ansible: str) -> int:
    return int(ansible.split(".")[1])


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """By the names that playbooks use."""
        return {
            "lab_problems": lab_problems,
            "lab_problems_text": lab_problems_text,
            "lab_retired_hosts": lab_retired_hosts,
        }
