"""How often one tries to log in, and what is said of what cannot be."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Never, cast

import fabric
import paramiko
import pytest

from mrunkit.inventory import Host
from mrunkit.ssh import (
    LOGIN_PAUSES,
    SshError,
    SshRemote,
    connected,
    login_error,
    open_patiently,
    proxy_command,
)

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


def test_a_silent_host_and_what_is_wrong_with_keys_are_told(tmp_path: Path) -> None:
    """By what they are, not by what paramiko calls them."""
    key = str(tmp_path / "no-key")
    connection = fabric.Connection("192.0.2.1", user="me", port=22)
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", key)
    assert f"{key}: No such file" in str(login_error(missing, connection))
    silent = paramiko.SSHException("No existing session")
    assert "says nothing for 15 s" in str(login_error(silent, connection))
    revoked = paramiko.SSHException("the key of 192.0.2.1 is revoked in known_hosts")
    assert "known_hosts calls revoked" in str(login_error(revoked, connection))
