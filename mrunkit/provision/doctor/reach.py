"""Whether hosts get to each other by ssh, and to what they share. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mrunkit.provision.doctor.facts import last_words
from mrunkit.provision.doctor.hosts import Command
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.ssh import Completed

SSH_AT_A_TIME = 4
"""From one host: sshd begins to turn away logins when 10 are under way (MaxStartups)."""
CONNECT_SECONDS = 20
"""Until sshd says its name: hosts may be busy, and all log in to all at once."""
LOGIN_SECONDS = 60.0
"""For all of a login: in an emulated guest that had other work it was seen to take 14 s."""
ALL_PAIRS_UP_TO = 32
"""Hosts; 500 would be 250,000 logins, 125 times 4 on each host, before the check ends."""
SHARE_SECONDS = 15.0
"""A server that is gone makes a mount wait for ever."""
FILE_PREFIX = ".mrunkit-doctor-"


def others_from(host: str, hosts: Sequence[str]) -> list[str]:
    """The other hosts, from the next one on: else all would log in to the first at once."""
    at = hosts.index(host)
    return [*hosts[at + 1 :], *hosts[:at]]


def logins_from(host: str, hosts: Sequence[str]) -> list[str]:
    """Whom a host logs in to: all others, or where they are many those 1, 2, 4, 8... further on."""
    others = others_from(host, hosts)
    if len(hosts) <= ALL_PAIRS_UP_TO:
        return others
    return [others[(1 << power) - 1] for power in range(len(others).bit_length())]


def ssh_command(target: str, *, user: str) -> Command:
    """Log in from a host to another, as MPI's launcher would: nobody to ask for anything."""
    options = ("-oBatchMode=yes", "-oStrictHostKeyChecking=yes")
    words = ("ssh", "-n", *options, f"-oConnectTimeout={CONNECT_SECONDS}", target, "true")
    return Command(words=words, user=user, timeout=LOGIN_SECONDS)


def ssh_problems(ended: Mapping[str, Mapping[str, Completed]], *, user: str) -> Iterator[Problem]:
    """Logins that failed, of all hosts (outer) to all others (inner)."""
    for source, of_source in ended.items():
        for target, one in of_source.items():
            if one.status != 0:
                what, remedy = _explained_ssh(last_words(one), target)
                yield Problem(what=f"{user} cannot log in to {what}", remedy=remedy, host=source)


def _explained_ssh(said: str, target: str) -> tuple[str, str]:
    again = "mrunkit bootstrap --tags ssh"
    if "Host key verification failed" in said or "host key is known" in said:
        return f"{target}: its host key is not known, or another one", again
    if "Permission denied" in said:
        return f"{target}: it does not take the key", again
    if "Could not resolve" in said or "Name or service" in said:
        return f"{target}: its name does not resolve", "mrunkit bootstrap --tags base"
    if any(text in said for text in ("timed out", "refused", "No route", "no end within")):
        remedy = (
            "does sshd run there, and is its port open between the hosts?"
            " ssh_port in the inventory names another one"
        )
        return f"{target}: it does not answer ({said.removeprefix('ssh: ')})", remedy
    return f"{target}: {said}", again


def write_command(path: str, text: str, *, user: str) -> Command:
    """Write a file on the share."""
    words = ("sh", "-c", 'printf %s "$1" >"$0"', path, text)
    return Command(words=words, user=user, timeout=SHARE_SECONDS)


def read_command(path: str, *, user: str) -> Command:
    """Read a file of the share."""
    return Command(words=("cat", path), user=user, timeout=SHARE_SECONDS)


def remove_command(path: str, *, user: str) -> Command:
    """Remove a file of the share, there or not."""
    return Command(words=("rm", "-f", path), user=user, timeout=SHARE_SECONDS)


def tidy_command(share: str, *, user: str) -> Command:
    """Remove what hosts that crashed under a doctor could not."""
    words = ("find", share, "-maxdepth", "1", "-name", f"{FILE_PREFIX}*", "-mmin", "+10", "-delete")
    return Command(words=words, user=user, timeout=SHARE_SECONDS)


def mount_type(mounts: str, directory: str) -> str | None:
    """The file system that is mounted at a directory; None: nothing is. Source: proc(5)."""
    found = None
    for line in mounts.splitlines():
        _, mounted, kind, _ = line.split(maxsplit=3)
        if mounted.replace("\\040", " ") == directory:
            found = kind  # the last one hides those before, as what autofs mounts does
    return found


def share_problems(
    share: str,
    *,
    storage: str,
    is_nfs: bool,
    user: str,
    writing: Mapping[str, Completed],
    reading: Mapping[str, tuple[str, Completed]],
    mounts: Mapping[str, str | None],
    text: str,
) -> Iterator[Problem]:
    """Hosts that could not write, or not read what another (the first of the pair) wrote.

    `is_nfs`: the share is the storage host's, and not one that the hosts have by other means.
    """
    again = "mrunkit bootstrap --tags nfs"
    if not is_nfs:
        again = f"nfs_provides_share is false, so is {share} shared by other means?"
    apart = [
        host
        for host, kind in mounts.items()
        if is_nfs and host != storage and kind not in ("nfs", "nfs4")
    ]
    for host in apart:
        has = f"a {mounts[host]} mount" if mounts[host] else "no mount"
        yield Problem(what=f"{share} is {has}, not NFS", remedy=again, host=host)
    for host, ended in writing.items():
        if ended.status != 0:
            yield Problem(
                what=f"{user} cannot write into {share}: {_reason(ended)}",
                remedy=_share_remedy(ended, storage, again),
                host=host,
            )
    for host, (writer, ended) in reading.items():
        if host in apart or writer in apart:
            continue  # has been said
        if ended.status != 0:
            yield Problem(
                what=f"what {writer} wrote into {share} is not there: {_reason(ended)}",
                remedy=_share_remedy(ended, storage, again),
                host=host,
            )
        elif ended.stdout != text:
            yield Problem(
                what=f"what {writer} wrote into {share} reads otherwise", remedy=again, host=host
            )


def _reason(ended: Completed) -> str:
    return last_words(ended).rpartition(": ")[2]


def _share_remedy(ended: Completed, storage: str, otherwise: str) -> str:
    if "no end within" in ended.stderr:
        return f"does the NFS server run on {storage}, and is TCP 2049 open?"
    if "Permission denied" in ended.stderr:
        return "has the user the same uid on all hosts, and may it write there? see: ls -ld"
    return otherwise
