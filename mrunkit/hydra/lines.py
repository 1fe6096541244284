"""The launch lines that `mpiexec.hydra -launcher manual` prints, and how they are passed on.

Pure: text in, values out. Owns the form of these lines; refuses to understand the
arguments in them, which differ from version to version and are passed on untouched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mrunkit.errors import MrunkitError

LAUNCH_PREFIX = b"HYDRA_LAUNCH:"
LAUNCH_END = b"HYDRA_LAUNCH_END"

MOST_BEFORE_END = 4 << 20
"""Bytes that mpiexec may print before the last launch line; one has less than 500, and the mpiexec
of somebody's image may print anything."""

_CONTROL_PORT = re.compile(r"(?P<host>\S+):(?P<port>[0-9]{1,5})")
_PROXY_ID = re.compile(r"[0-9]{1,9}")


class LaunchLineError(MrunkitError):
    """mpiexec printed a launch line that nobody understands."""


@dataclass(frozen=True, slots=True)
class ProxyLaunch:
    """One node's hydra_pmi_proxy, as mpiexec asks for it."""

    proxy_id: int
    executable: str
    control_host: str
    control_port: int
    arguments: tuple[str, ...]
    """All words after the executable, untouched."""

    def answer(self) -> bytes:
        """Return the arguments as a task reads them: a word per line, then the end.

        The end tells a whole answer from one that broke off.
        """
        words = (*self.arguments, LAUNCH_END.decode())
        return "".join(f"{word}\n" for word in words).encode()


def parse_launch_line(line: str) -> ProxyLaunch:
    """Parse one `HYDRA_LAUNCH:` line; raises LaunchLineError."""
    prefix = LAUNCH_PREFIX.decode()
    words = line.removeprefix(prefix).split()
    if not line.startswith(prefix) or not words:
        raise LaunchLineError(f"not a launch line of mpiexec: {_begin(line)}")
    executable, *arguments = words
    control = _CONTROL_PORT.fullmatch(_value_of("--control-port", arguments, line))
    proxy_id = _value_of("--proxy-id", arguments, line)
    if control is None or not _PROXY_ID.fullmatch(proxy_id):
        raise LaunchLineError(
            f"mpiexec's launch line has an odd control port or id: {_begin(line)}"
        )
    return ProxyLaunch(
        proxy_id=int(proxy_id),
        executable=executable,
        control_host=control["host"],
        control_port=int(control["port"]),
        arguments=tuple(arguments),
    )


def _value_of(option: str, arguments: list[str], line: str) -> str:
    if option not in arguments[:-1]:
        raise LaunchLineError(f"mpiexec's launch line lacks {option}: {_begin(line)}")
    return arguments[arguments.index(option) + 1]


def _begin(line: str) -> str:
    return repr(line if len(line) <= 500 else f"{line[:500]}...")


class LaunchReader:
    """Takes mpiexec's stdout apart, as it comes: launch lines first, then ranks' output."""

    def __init__(self) -> None:
        self._launches: list[ProxyLaunch] = []
        self._partial = b""
        self._received = 0
        self._is_complete = False

    @property
    def launches(self) -> tuple[ProxyLaunch, ...]:
        """The proxies asked for until now, in the order of the host list."""
        return tuple(self._launches)

    @property
    def is_complete(self) -> bool:
        """Whether the last launch line was seen; nothing after it is looked at."""
        return self._is_complete

    def feed(self, data: bytes) -> bytes:
        """Take a piece of stdout; returns what of it is not launch lines, to be passed on.

        Raises LaunchLineError.
        """
        if self._is_complete:
            return data
        self._received += len(data)
        if self._received > MOST_BEFORE_END:
            self._partial = b""
            raise LaunchLineError("mpiexec prints and prints, and no launch lines to their end")
        *lines, self._partial = (self._partial + data).split(b"\n")
        passed_on: list[bytes] = []
        for number, line in enumerate(lines):
            if line.startswith(LAUNCH_PREFIX):
                self._launches.append(parse_launch_line(line.decode(errors="replace")))
            elif line.strip() == LAUNCH_END:
                self._is_complete = True
                passed_on.append(b"\n".join([*lines[number + 1 :], self._partial]))
                self._partial = b""
                break
            else:
                passed_on.append(line + b"\n")
        return b"".join(passed_on)

    def end(self) -> bytes:
        """Take note of the end of stdout; returns what is left to be passed on."""
        rest, self._partial = self._partial, b""
        return rest
