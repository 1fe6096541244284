"""Why a host's probe could not be started, in the words of its sudo and its shell."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.doctor.hosts import allow_open_files, explain_login, files_needed
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


@pytest.fixture
def few_files() -> Iterator[None]:
    """As few open files as a login may have by default, and more if it asks."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 4096:
        pytest.skip("this user may not open more files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_connections_to_many_hosts_take_many_files() -> None:
    """Each one, and with an ssh agent two: 1,024 end before 500 hosts are logged in to."""
    assert files_needed(500) >= 2 * 500
    assert files_needed(3) < 1024


@pytest.mark.usefixtures("few_files")
@pytest.mark.parametrize(("needed", "limit"), [(2000, 2000), (1024, 1024), (140, 1024)])
def test_more_open_files_are_allowed_if_they_are_needed(needed: int, limit: int) -> None:
    """Else the limit stays as it is: what the command starts has it, too."""
    allow_open_files(needed)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limit
