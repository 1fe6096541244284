"""The launch lines that `mpiexec.hydra -launcher manual` prints, and how they are passed on.

Pure: text in, values out. Owns the form of these lines; refuses to understand the
arguments in them, which differ from version to version and are passed on untouched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mrunkit.errors import MrunkitError

LAUNCH_PREFIX = b"HYDRA_LAUNCH:"
LAUNCH_END = b"HYDRA_LAUNCH_END"

MOST_BEFORE_END = 4 << 20
"""Bytes that mpiexec may print before the last launch line; one has less than 500, and the mpiexec
of somebody's image may print anything."""

LONGEST_LINE = 4096
"""Bytes of a launch line."""

_CONTROL_PORT = re.compile(r"(?P<host>\S+):(?P<port>[0-9]{1,5})")
_PROXY_ID = re.compile(r"[0-9]{1,9}")
_NEVER = re.compile(rb"(?!)")


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


def _launch_lines_of_spawn(launches: Sequence[ProxyLaunch]) -> re.Pattern[bytes]:
    """Lines that are like those before, but for another than the first group of processes."""
    if not launches:
        return _NEVER
    begin = re.escape(LAUNCH_PREFIX + b" " + launches[0].executable.encode())
    return re.compile(begin + rb" [^\n]*--pgid [1-9][^\n]*\n")


class LaunchReader:
    """Takes mpiexec's stdout apart, as it comes: launch lines first, then ranks' output."""

    def __init__(self) -> None:
        self._launches: list[ProxyLaunch] = []
        self._partial = b""
        self._received = 0
        self._is_complete = False
        self._more = _NEVER
        self._wants_more = False

    @property
    def launches(self) -> tuple[ProxyLaunch, ...]:
        """The proxies asked for until now, in the order of the host list."""
        return tuple(self._launches)

    @property
    def is_complete(self) -> bool:
        """Whether the last launch line was seen."""
        return self._is_complete

    @property
    def wants_more(self) -> bool:
        """Whether mpiexec asked for proxies once more, for MPI_Comm_spawn.

        So do 3.4.3 and 4.1.3; 4.2.3 and later have those that there are start more ranks.
        """
        return self._wants_more

    def feed(self, data: bytes) -> bytes:
        """Take a piece of stdout; returns what of it is not launch lines, to be passed on.

        Raises LaunchLineError.
        """
        if self._is_complete:
            return self._without_more(data)
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
                self._more = _launch_lines_of_spawn(self._launches)
                rest = b"\n".join([*lines[number + 1 :], self._partial])
                self._partial = b""
                passed_on.append(self._without_more(rest))
                break
            else:
                passed_on.append(line + b"\n")
        return b"".join(passed_on)

    def _without_more(self, data: bytes) -> bytes:
        data, self._partial = self._partial + data, b""
        data, found = self._more.subn(b"", data)
        if found or self._wants_more:
            self._wants_more = True
            data = data.replace(LAUNCH_END + b"\n", b"")
        # mpiexec may write them word by word; of ranks' output nothing may wait for more.
        *_, last = data.rpartition(b"\n")
        if last.startswith(LAUNCH_PREFIX) and len(last) < LONGEST_LINE:
            self._partial = last
            return data[: -len(last)]
        return data

    def end(self) -> bytes:
        """Take note of the end of stdout; returns what is left to be passed on."""
        rest, self._partial = self._partial, b""
        return rest
