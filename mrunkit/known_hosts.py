"""By which keys a host is known: known_hosts, read as ssh reads it.

Owns what counts as a match, and what is said of a key that is none; which files they are, others
say. It learns no key.

Source: sshd(8), and hostfile.c, match.c and check_host_key() of OpenSSH 9.2, which was tried.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

SSH_PORT = 22
REVOKED = "@revoked"
"""Before a line with a key that must not be taken any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHost:
    """The keys that one host may have; stands for paramiko's policy of host keys.

    paramiko itself knows one key of each type for a host; ssh takes any that there is.
    """

    keys: tuple[paramiko.PKey, ...]
    has_port: bool = True
    """They are known for this very port. Else they may be those of another sshd there, and a key
    that is not among them is a new one, not a wrong one."""
    revoked: tuple[paramiko.PKey, ...] = ()
    """Those that it must not have, whatever else is known."""

    def missing_host_key(self, client: object, hostname: str, key: paramiko.PKey) -> None:
        """Raise what is wrong with a key, if anything is, as paramiko would."""
        import paramiko

        if key in self.revoked:
            raise paramiko.SSHException(f"the key of {hostname} is revoked in known_hosts")
        if key in self.keys:
            return
        if self.keys and self.has_port:
            raise paramiko.BadHostKeyException(hostname, key, self.keys[0])
        raise paramiko.SSHException(f"{hostname} not found in known_hosts")

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Begin a connection that asks for a known key; what paramiko calls a transport_factory."""
        import paramiko

        begun = paramiko.Transport(sock, **options)
        security = begun.get_security_options()
        security.key_types = known_first(security.key_types, {key.get_name() for key in self.keys})
        return begun


def known_first(algorithms: Iterable[str], types: Iterable[str]) -> tuple[str, ...]:
    """The algorithms by which a host may prove its key, those for known types of keys first."""
    known = set(types)
    if "ssh-rsa" in known:  # the type of a key; how it signs has names of its own
        known |= {"rsa-sha2-256", "rsa-sha2-512"}
    return tuple(sorted(algorithms, key=lambda algorithm: algorithm not in known))


def known_host(files: Iterable[Path], host: str, port: int | None) -> KnownHost:
    """What files of known_hosts say of the sshd at a port of a host.

    Where they say nothing of another port than 22, what they say of the host counts.
    """
    there = [file for file in files if file.is_file()]
    name = host if port in (None, SSH_PORT) else f"[{host}]:{port}"
    revoked: tuple[paramiko.PKey, ...] = ()
    for known_as in dict.fromkeys((name, host)):
        revoked += tuple(key for file in there for key in known_keys(file, known_as, REVOKED))
        if keys := tuple(key for file in there for key in known_keys(file, known_as)):
            return KnownHost(keys=keys, has_port=known_as == name, revoked=revoked)
    return KnownHost(keys=(), revoked=revoked)


def known_keys(file: Path, name: str, marker: str = "") -> Iterator[paramiko.PKey]:
    """The keys that a known_hosts file has under a name, which is [HOST]:PORT for other ports.

    They are those of lines with this marker, or with none.

    paramiko would parse all lines, and compare each with all before it: 2 s for the lines of 500
    hosts, and again for each connection.
    """
    import paramiko

    damaged = (
        *(paramiko.SSHException, paramiko.hostkeys.InvalidHostKey),
        *(ValueError, OverflowError),  # of numbers that are none of a key
    )
    lowered = name.lower()
    for line in file.read_text(errors="replace").splitlines():
        marked, names, key = _parts(line)
        if marked != marker or not is_named(names, lowered):
            continue
        try:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{names} {key}")
        except damaged:
            continue
        if entry is not None and entry.key is not None:
            yield entry.key


def _parts(line: str) -> tuple[str, str, str]:
    """A line's marker, the names, and type and key with one blank between; all may be empty."""
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    return marker, "".join(words[:1]), " ".join(words[1:3])


def is_named(names: str, name: str) -> bool:
    """Whether the names of a line, a hash or patterns, are those of a host in lower case."""
    if names.startswith("|"):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    denied = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return _matches(patterns, name) and not _matches(denied, name)


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(
        pattern == name or (("*" in pattern or "?" in pattern) and _has_form(name, pattern))
        for pattern in patterns
    )


def _has_form(name: str, pattern: str) -> bool:
    """No fnmatch: brackets are just brackets here."""
    form = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(form, name) is not None


def _is_hash_of(hashed: str, name: str) -> bool:
    """Whether a hash, |1|SALT|HMAC, is that of a name; one that is damaged is that of none."""
    parts = hashed.removeprefix("|1|").split("|")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts)
    except ValueError:  # of base64, or another number of parts
        return False
    return hmac.digest(salt, name.encode(), "sha1") == digest
