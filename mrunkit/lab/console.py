"""What hosts say on their consoles, made readable, and what to do about it. Pure."""

from __future__ import annotations

import re

INOTIFY_LIMIT = "fs.inotify.max_user_instances"
INOTIFY_PER_HOST = 10
"""Instances that a container's systemd, journal, D-Bus and Docker hold; all hosts' are root's,
of which the kernel allows 128 by default."""

_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[78=>])")
_SHOWN_LINES = 20

RAISE_INOTIFY = f"raise this machine's limit, as root: sysctl -w {INOTIFY_LIMIT}=1024"

_REMEDIES = (
    (r"inotify.*Too many open files|Too many open files.*inotify", RAISE_INOTIFY),
    (r"Out of memory|Cannot allocate memory", "give hosts more memory (--memory), or have fewer"),
    (r"No space left on device", "make room on this machine's disk"),
    (r"Read-only file system.*cgroup|Failed to (mount|create).*cgroup",
     "this engine's control groups cannot be written in containers: try --backend qemu"),
)  # fmt: skip


def last_lines(console: str) -> str:
    """The last lines of a console, without colours and empty ones."""
    lines = (_ESCAPES.sub("", line).strip() for line in re.split(r"[\r\n]+", console))
    return "\n".join([line for line in lines if line][-_SHOWN_LINES:])


def remedy_for(console: str) -> str | None:
    """What to do about what a console says; None if that is not known."""
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, console)), None)


def inotify_obstacle(limit: int, hosts: int) -> str | None:
    """Why the kernel's limit does not allow for so many containers; None if it may."""
    if limit >= hosts * INOTIFY_PER_HOST:
        return None
    return (
        f"{hosts} containers with systemd need about {hosts * INOTIFY_PER_HOST} inotify "
        f"instances, and {INOTIFY_LIMIT} is {limit}"
    )
