"""Why a host's probe could not be started, in the words of its sudo and its shell."""

from __future__ import annotations

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.doctor.hosts import explain_login
from mrunkit.ssh import SshError

HOST = Host(name="host1", address="192.0.2.1")


@pytest.mark.parametrize(
    ("said", "told", "remedy"),
    [
        (
            "sudo: /usr/libexec/platform-python: command not found",
            "no python3",
            "install python3 there",
        ),
        (
            "/bin/sh: 1: exec: /usr/libexec/platform-python: not found",
            "no python3",
            "install python3 there",
        ),
        (
            "/bin/sh: /usr/libexec/platform-python: No such file or directory",
            "no python3",
            "install python3 there",
        ),
        ("sudo: a password is required", "cannot become root", "ssh 192.0.2.1 sudo -n true"),
        ("/bin/sh: 1: exec: sudo: not found", "cannot become root", "ssh 192.0.2.1 sudo -n true"),
    ],
)
def test_sudo_that_finds_no_python_is_not_to_blame(said: str, told: str, remedy: str) -> None:
    """Lacking Python and lacking root's rights have different remedies."""
    explained = explain_login(SshError(said), HOST)
    assert str(explained) == f"{told}: {said}"
    assert remedy in (explained.remedy or "")


def test_what_is_not_known_is_passed_on() -> None:
    """With what its own place said to do."""
    error = SshError("no answer within 60 s", remedy="see its load")
    assert explain_login(error, HOST) is error
