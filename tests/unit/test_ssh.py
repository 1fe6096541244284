"""What is known of hosts' keys before anybody logs in, and how often one tries."""

from __future__ import annotations

import base64
import errno
from pathlib import Path
from typing import Never, cast

import fabric
import paramiko
import pytest
from paramiko.hostkeys import HostKeyEntry

from mrunkit.inventory import Host
from mrunkit.ssh import (
    LOGIN_PAUSES,
    SshError,
    SshRemote,
    connected,
    known_keys,
    login_error,
    open_patiently,
    proxy_command,
)


def line(names: str, key: str) -> str:
    """A line of a known_hosts file; the key is an ed25519 one of 32 equal letters."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + key.encode() * 32
    return f"{names} ssh-ed25519 {base64.b64encode(blob).decode()}\n"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("host7", "a"),
        ("192.0.2.7", "ab"),
        ("[host7]:2222", "c"),
        ("hidden", "d"),
        ("host77", ""),
        ("*", ""),
    ],
)
def test_keys_are_found_under_all_forms_of_a_name(tmp_path: Path, name: str, keys: str) -> None:
    """One of several names, with a port, or as a hash, which is Debian's way."""
    file = tmp_path / "known_hosts"
    file.write_text(
        "# hosts of the lab\n\n"
        + line("host7,192.0.2.7", "a")
        + line("192.0.2.7", "b")
        + line("[host7]:2222", "c")
        + line(paramiko.HostKeys.hash_host("hidden"), "d")
        + line("@revoked host7", "e")
        + "host7 ssh-ed25519 cut-off\nhost7\n"
    )
    found = known_keys(file, name)
    assert [key.asbytes()[-1:].decode() for key in found] == list(keys)


def test_keys_of_other_hosts_cost_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """paramiko compares each line with all before it: 2 s for 500 hosts, for each connection."""
    file = tmp_path / "known_hosts"
    file.write_text("".join(line(f"host{index},192.0.2.{index}", "a") for index in range(200)))
    parsed: list[str] = []
    parse = HostKeyEntry.from_line

    def counted(text: str, number: int | None = None) -> HostKeyEntry | None:
        parsed.append(text)
        return parse(text, number)

    monkeypatch.setattr(HostKeyEntry, "from_line", counted)
    assert len(list(known_keys(file, "host7"))) == 1
    assert len(parsed) == 1


BANNER = paramiko.SSHException("Error reading SSH protocol banner[Errno 104] Connection reset")


class Door:
    """A host that does this at each login; None lets in."""

    def __init__(self, *said: Exception | None) -> None:
        self._said = list(said)
        self.pauses: list[float] = []

    def open(self) -> None:
        """Do the next one."""
        if (error := self._said.pop(0)) is not None:
            raise error


@pytest.mark.parametrize("error", [BANNER, ConnectionResetError(), EOFError()])
def test_an_sshd_that_hangs_up_is_tried_again(error: Exception) -> None:
    """Of 60 logins at once through one sshd, it turned 8 away."""
    door = Door(error, error, None)
    open_patiently(door.open, door.pauses.append)
    assert len(door.pauses) == 2
    assert sum(door.pauses) <= 1.5 * sum(LOGIN_PAUSES[:2])


def test_an_sshd_that_always_hangs_up_is_given_up() -> None:
    """With what it said last."""
    door = Door(*[BANNER] * 4)
    with pytest.raises(paramiko.SSHException, match="banner"):
        open_patiently(door.open, door.pauses.append)
    assert len(door.pauses) == 3


def test_what_another_try_would_not_change_is_not_tried_again() -> None:
    """A key that is not taken, or a host that is off."""
    door = Door(paramiko.AuthenticationException("no"), None)
    with pytest.raises(paramiko.AuthenticationException):
        open_patiently(door.open, door.pauses.append)


class HangingChannel:
    """A command that never says a word; stands for paramiko's transport and its channel."""

    def open_session(self, timeout: float) -> HangingChannel:
        """Be both."""
        return self

    def settimeout(self, seconds: float) -> None:
        """Remember for how long somebody waits."""
        self.seconds = seconds

    def exec_command(self, command: str) -> None:
        """Start it."""

    def makefile(self, mode: str) -> Never:
        """Have time pass."""
        raise TimeoutError

    shutdown_write = close = list


def test_a_command_that_hangs_is_given_up() -> None:
    """In words: paramiko has none for it."""
    channel = HangingChannel()
    remote = SshRemote(cast("paramiko.Transport", channel))
    with pytest.raises(SshError, match="no answer within 30 s") as raised:
        remote.run("docker version", patience=30)
    assert channel.seconds == 30
    assert raised.value.remedy is not None


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        (Host(name="a", address="192.0.2.1", config_file="/none/such"), "/none/such: No such file"),
        (Host(name="a", address="me@192.0.2.1:x"), "invalid literal for int"),
        (Host(name="a", address="me@127.0.0.1", user="you"), "user"),
        (Host(name="a", address="127..0.1"), "label"),
        (Host(name="a", address="127.0.0.1", port=1), "cannot reach .* port 1: Connection refused"),
    ],
)
def test_what_cannot_be_reached_is_told_in_words(host: Host, problem: str) -> None:
    """Whatever is wrong with the inventory or ssh's configuration; no number of Python's."""
    with pytest.raises(SshError, match=problem) as raised, connected(host):
        pass
    assert "Errno" not in str(raised.value)
    assert raised.value.remedy is not None


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ({"jump": "me@127.0.0.2:1"}, "cannot reach me@127.0.0.2 port 1: Connection refused"),
        ({"proxy_command": "/none/such %h"}, "/none/such: No such file"),
    ],
)
def test_the_host_on_the_way_that_cannot_be_reached_is_named(
    way: dict[str, str], problem: str
) -> None:
    """Not the one behind it, which nobody has asked."""
    host = Host(name="a", address="192.0.2.1", **way)
    with pytest.raises(SshError, match=problem), connected(host):
        pass


def test_a_proxy_command_gets_the_hosts_port() -> None:
    """Of sshd, which fabric takes for 22."""
    command = proxy_command("ssh -W %h:%p %r@gate", "192.0.2.1", 2222, "me")
    assert command == "ssh -W 192.0.2.1:2222 me@gate"


def test_a_silent_host_and_a_missing_key_are_told(tmp_path: Path) -> None:
    """By what they are, not by what paramiko calls them."""
    key = str(tmp_path / "no-key")
    connection = fabric.Connection("192.0.2.1", user="me", port=22)
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", key)
    assert f"{key}: No such file" in str(login_error(missing, connection))
    silent = paramiko.SSHException("No existing session")
    assert "says nothing for 15 s" in str(login_error(silent, connection))
