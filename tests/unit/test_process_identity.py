"""Which process a container belongs to, and whether it still runs."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrunkit.process_identity import ProcessIdentity, booted_at, started_at


@given(
    hostname=st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1),
    pid=st.integers(min_value=1),
    started=st.integers(min_value=0),
)
def test_text_form_is_read_back(hostname: str, pid: int, started: int) -> None:
    """Labels and files hold the text."""
    identity = ProcessIdentity(hostname=hostname, pid=pid, started=started)
    assert ProcessIdentity.parse(str(identity)) == identity


@pytest.mark.parametrize("text", ["", "host", "host/1", "host/1/", "/1/2", "host/x/2", "host/1/-2"])
def test_other_text_is_nobody(text: str) -> None:
    """Others may use our labels, and files may be cut short."""
    assert ProcessIdentity.parse(text) is None


def test_a_process_is_there_until_it_ends() -> None:
    """Also before its parent has asked how it ended, as after kill -9 of a client."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        started = started_at(process.pid)
        assert started is not None
        identity = ProcessIdentity(hostname="here", pid=process.pid, started=started)
        there = identity.is_gone(hostname="here")
        process.kill()
        # Waits for its end, and leaves it unreaped.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        gone = identity.is_gone(hostname="here")
    assert (there, gone) == (False, True)


def test_a_later_process_of_the_same_number_is_another() -> None:
    """Numbers are used again."""
    started = started_at(os.getpid())
    assert started is not None
    identity = ProcessIdentity(hostname="here", pid=os.getpid(), started=started - 1)
    assert identity.is_gone(hostname="here")


def test_another_hosts_process_is_never_known_to_be_gone() -> None:
    """A share is seen from many hosts."""
    identity = ProcessIdentity(hostname="there", pid=os.getpid(), started=0)
    assert not identity.is_gone(hostname="here")


def test_this_host_was_booted_before_now() -> None:
    """In seconds since the epoch."""
    assert 0 < booted_at() < time.time()
