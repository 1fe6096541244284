"""Probes at the other end of real ssh connections: asked, refused, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mrunkit.inventory import Host
from mrunkit.provision.doctor.hosts import Command, Hosts
from mrunkit.ssh import SshError, connected

PATIENCE = 30.0
Start = Callable[[str], Host]

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="probes run as root: use sudo -n")


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_all_hosts_are_asked_at_once(start: Start) -> None:
    """Each answers with its own; commands end with their status, output and errors."""
    with Hosts([start("one"), start("two")]) as hosts:
        assert hosts.login_problems() == []
        commands = [
            Command(words=("sh", "-c", "id -un; echo no >&2; exit 3"), user="nobody"),
            Command(words=("no-such-command",)),
            Command(words=("sleep", "60"), timeout=0.2),
        ]
        answers = hosts.ask(lambda name, probe: (name, probe.run(commands)))
    assert answers.problems == []
    for name, (told, ended) in answers.by_host.items():
        assert told == name
        assert (ended[0].status, ended[0].stdout, ended[0].stderr) == (3, "nobody\n", "no\n")
        assert [one.status for one in ended[1:]] == [127, 124]


def test_a_host_that_is_not_reached_is_a_problem_in_every_answer(start: Start) -> None:
    """What cannot be seen of it is not fine; the others are asked all the same."""
    there = start("there")
    absent = replace(there, name="absent", port=1)
    stranger = replace(start("stranger"), known_hosts=("/dev/null",))
    with Hosts([there, absent, stranger]) as hosts:
        told = {problem.host: problem.what for problem in hosts.login_problems()}
        answers = hosts.ask(lambda _, probe: probe.ask("now"))
    assert sorted(told) == ["absent", "stranger"]
    assert "cannot reach" in told["absent"]
    assert "is not known" in told["stranger"]
    assert list(answers.by_host) == ["there"]
    assert [(problem.host, problem.remedy) for problem in answers.problems] == [
        ("absent", "see login"),
        ("stranger", "see login"),
    ]


def test_what_was_made_is_undone_at_the_end(start: Start, tmp_path: Path) -> None:
    """By the host itself, before the connection is given up."""
    made = tmp_path / "made"
    made.touch()
    command = Command(words=("rm", str(made))).to_json()
    with Hosts([start("one")]) as hosts:
        hosts.ask(lambda _, probe: probe.ask("at_end", command=command))
        assert made.exists()
    assert not made.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_made_is_undone_when_mrunkit_is_killed(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """The connection ends with us, and that is what the host goes by: it begins nothing more."""
    made, asked = tmp_path / "made", tmp_path / "asked"
    made.touch()
    script = f"""
from pathlib import Path
from mrunkit.inventory import Host
from mrunkit.provision.doctor.hosts import Command, Hosts

command = Command(words=("rm", {str(made)!r})).to_json()
busy = Command(words=("sh", "-c", {f"echo begun >>{asked}; sleep 60"!r}), timeout=1)
with Hosts([{start("one")!r}]) as hosts:
    hosts.ask(lambda _, probe: probe.ask("at_end", command=command))
    hosts.ask(lambda _, probe: probe.run([busy] * 100, parallel=1))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    until(asked.exists, "the host is busy")
    assert made.exists()
    process.send_signal(number)
    assert process.wait(PATIENCE) != 0
    until(lambda: not made.exists(), "undone")
    assert len(asked.read_text().splitlines()) < 15  # one a second, of a hundred


def test_a_host_that_is_here_needs_no_ssh(tmp_path: Path) -> None:
    """The same probe, as a child."""
    made = tmp_path / "made"
    made.touch()
    command = Command(words=("rm", str(made))).to_json()
    here = Host(name="here", address="here", is_here=True)
    with Hosts([here]) as hosts:
        assert hosts.login_problems() == []
        hosts.ask(lambda _, probe: probe.ask("at_end", command=command))
    assert not made.exists()


def test_a_login_that_prints_is_explained(start: Start) -> None:
    """An echo in .bashrc breaks scp, rsync, and this."""
    host = start("one")
    server = Path(str(host.known_hosts[0])).parent / "sshd_config"
    assert server.exists()
    with connected(host) as remote:
        conversation = remote.converse("echo Welcome; cat")
        assert conversation.ask("x", timeout=PATIENCE) == "Welcome\n"
        conversation.close()


def test_hosts_behind_another_are_reached_through_it(start: Start) -> None:
    """ProxyJump; the key of the host in between is checked as well."""
    far, gate = start("far"), start("gate")
    known = (*(far.known_hosts or ()), *(gate.known_hosts or ()))
    jump = f"{gate.address}:{gate.port}"
    with connected(replace(far, jump=jump, known_hosts=known)) as remote:
        assert remote.run("echo there").stdout == "there\n"
    with Hosts([replace(far, jump=jump)]) as hosts:
        (problem,) = hosts.login_problems()
    assert "is not known" in problem.what


def test_a_host_is_known_by_the_keys_that_ssh_would_take(start: Start, tmp_path: Path) -> None:
    """One of several, of a pattern, and one that no port is named with."""
    host = start("one")
    line = Path(str(host.known_hosts[0])).read_text()
    kind, key = line.split()[1:]
    other = start("other").known_hosts[0]
    wrong = Path(str(other)).read_text().split()[2]
    known = tmp_path / "known_hosts"
    mine = replace(host, known_hosts=(str(known),))
    for text in (f"* {kind} {wrong}\n{line}", f"127.0.0.? {kind} {key}\n|1|x|y {kind} {key}\n"):
        known.write_text(text)
        with connected(mine) as remote:
            assert remote.run("echo there").stdout == "there\n"
    for names, problem in ((line.split()[0], "is not the one"), ("127.0.0.1", "is not known")):
        known.write_text(f"{names} {kind} {wrong}\n")
        with pytest.raises(SshError, match=problem), connected(mine):
            pass


def test_an_ssh_configuration_of_the_inventory_is_used(start: Start, tmp_path: Path) -> None:
    """Instead of the user's own: as with ssh -F."""
    host = start("one")
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host nickname\n  HostName 127.0.0.1\n  Port {host.port}\n"
        f"  UserKnownHostsFile {host.known_hosts[0]}\n  IdentityFile {host.key_file}\n"
    )
    bare = Host(name="one", address="nickname", config_file=str(config))
    with connected(bare) as remote:
        assert remote.run("echo there").stdout == "there\n"
