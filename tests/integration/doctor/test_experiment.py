"""Containers of the experiment, started by a `docker` that has what it takes of Docker's ways."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.doctor import overlay
from mrunkit.provision.doctor.experiment import Surroundings, experiment
from mrunkit.provision.doctor.hosts import Hosts
from mrunkit.provision.doctor.overlay import Network

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="raw sockets are root's")

HERE = Host(name="here", address="here", is_here=True)
AROUND = Surroundings(run="r1", network="net", image="img", host_by_address={})
NETWORK = Network(driver="overlay", is_attachable=True, is_encrypted=False, subnets=())

DOCKER = """#!/bin/sh
case $1 in
run)
  echo >> "$DOCKER_STARTS"
  [ "$(wc -l < "$DOCKER_STARTS")" -gt "$DOCKER_SLOW" ] && echo 9f86d081884c && exit
  echo 'docker: Error response from daemon: Could not attach: context deadline exceeded.' >&2
  exit 125
  ;;
inspect) echo "$PPID 127.0.0.1" ;;
rm) echo "$*" >> "$DOCKER_STARTS.removed" ;;
esac
"""
"""Out of time for its first starts."""


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A line for each start of a container."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    started = tmp_path / "starts"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_STARTS", str(started))
    return started


@pytest.mark.parametrize(
    ("slow", "tried"), [(0, 1), (2, 3), (overlay.SLOW_STARTS + 1, overlay.SLOW_STARTS + 1)]
)
def test_a_start_that_ran_out_of_time_is_made_again(
    starts: Path, monkeypatch: pytest.MonkeyPatch, slow: int, tried: int
) -> None:
    """A few times; then it is a problem."""
    monkeypatch.setenv("DOCKER_SLOW", str(slow))
    with Hosts([HERE]) as hosts:
        made, problems = experiment(hosts, AROUND, NETWORK)

    assert len(starts.read_text().splitlines()) == tried
    assert list(made.pinged) == (["here"] if slow < tried else [])
    assert [problem.host for problem in problems] == ([] if slow < tried else ["here"])


def test_containers_are_removed_when_all_is_seen(
    starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their addresses are free for the job that comes next, and not only when doctor ends."""
    monkeypatch.setenv("DOCKER_SLOW", "0")
    removed = starts.with_name("starts.removed")
    with Hosts([HERE]) as hosts:
        experiment(hosts, AROUND, NETWORK)
        before_the_end = removed.read_text() if removed.exists() else ""

    assert before_the_end == "rm --force mrunkit-doctor-r1\n"


def test_a_host_that_may_not_watch_the_wire_is_told(
    starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on answering: a check after this one asks it as well."""
    monkeypatch.setenv("DOCKER_SLOW", "0")
    python = starts.with_name("python3")
    python.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-net_raw -- {sys.executable} "$@"\n')
    python.chmod(0o755)
    with Hosts([HERE]) as hosts:
        made, problems = experiment(hosts, AROUND, NETWORK)
        later = hosts.ask(lambda _, probe: probe.ask("now"))

    assert "sniff: [Errno 1] Operation not permitted" in [problem.what for problem in problems]
    assert (made.seen, later.problems) == ({}, [])
