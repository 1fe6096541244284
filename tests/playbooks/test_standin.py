"""The stand-in for Mesos keeps what the playbooks' tests rely on; it needs no hosts."""

from __future__ import annotations

import getpass
import json
import re
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrunkit.mesos.address import HostPort
from mrunkit.mesos.operator import Credentials, MasterRefusedError, Operator

BUILD = Path(__file__).parent / "standin/build.py"
MRUNKIT = Path(sys.executable).with_name("mrunkit")
USER = Credentials(principal="user", secret="u")
WAIT_SECONDS = 20.0

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archive."""
    directory = tmp_path_factory.mktemp("mesos")
    archive = directory / "mesos.tar.gz"
    subprocess.run([sys.executable, BUILD, archive, "1.11.0"], check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    return directory / "mesos-1.11.0"


@pytest.fixture
def start(installation: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a daemon in tmp_path; all are ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start_one(name: str, *flags: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, installation / "sbin" / f"mesos-{name}", *flags],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def said(process: subprocess.Popen[str]) -> str:
    """What a daemon that ends by itself says."""
    return process.communicate(timeout=WAIT_SECONDS)[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that no event announces."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.05)


def start_pair(start: Start, tmp_path: Path, *, agent: tuple[str, ...] = ()) -> Operator:
    """A master and an agent with credentials; returns once the agent is registered."""
    operator = start_master(start, tmp_path)
    start_agent(start, operator, *agent)
    until(operator.agents)
    return operator


def start_master(start: Start, tmp_path: Path) -> Operator:
    """A master that asks for credentials; returns once it answers."""
    ours = {"principal": "user", "secret": "u"}
    agents = {"principal": "agent", "secret": "a"}
    (tmp_path / "master.json").write_text(json.dumps({"credentials": [ours, agents]}))
    (tmp_path / "agent.json").write_text(json.dumps(agents))
    port = free_port()
    start(
        *("master", "--ip=127.0.0.1", f"--port={port}", "--work_dir=m"),
        *("--credentials=master.json", "--authenticate_agents"),
        *("--authenticate_http_readonly", "--authenticate_http_frameworks"),
        "--http_framework_authenticators=basic",
    )
    until(lambda: is_up(port))
    return Operator(master=HostPort(host="127.0.0.1", port=port), credentials=USER)


def start_agent(start: Start, operator: Operator, *flags: str) -> subprocess.Popen[str]:
    """An agent of this master."""
    if not any(flag.startswith("--port=") for flag in flags):
        flags = (*flags, f"--port={free_port()}")
    if not any(flag.startswith("--credential=") for flag in flags):
        flags = (*flags, "--credential=agent.json")
    common = ("--ip=127.0.0.1", "--work_dir=a", f"--master={operator.master}")
    return start("agent", *common, *flags)


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def test_the_client_sees_agents_as_it_would_those_of_mesos(start: Start, tmp_path: Path) -> None:
    """`/slaves` tells resources and attributes in the form that mrunkit reads."""
    resources = "--resources=cpus:3;mem:700;ports:[31000-31009]"
    flags = (resources, "--attributes=rack:a", "--hostname=h")
    (agent,) = start_pair(start, tmp_path, agent=flags).agents()
    assert agent.hostname == "h"
    assert agent.address == "127.0.0.1"
    assert (agent.available.cpus, agent.available.mem) == (3.0, 700.0)
    assert agent.available.ports == ((31000, 31009),)
    assert [attribute.name for attribute in agent.attributes] == ["rack"]


def test_nobody_without_credentials_is_answered(start: Start, tmp_path: Path) -> None:
    """With authentication on, a wrong secret is refused."""
    operator = start_pair(start, tmp_path)
    wrong = Credentials(principal="user", secret="x")
    with pytest.raises(MasterRefusedError):
        Operator(master=operator.master, credentials=wrong).agents()


def test_an_agent_with_a_wrong_secret_ends(start: Start, tmp_path: Path) -> None:
    """As Mesos' agent, it does not try for ever."""
    operator = start_master(start, tmp_path)
    (tmp_path / "wrong.json").write_text('{"principal": "agent", "secret": "x"}')
    agent = start_agent(start, operator, "--credential=wrong.json")
    assert "Master refused authentication" in said(agent)


def test_an_unknown_flag_is_an_error(start: Start) -> None:
    """A flag that Mesos 1.11 does not have must not pass unseen."""
    assert "Failed to load unknown flag 'colour'" in said(start("agent", "--colour=red"))


@pytest.mark.parametrize("content", [None, "not JSON", '{"credentials": []}'])
def test_credentials_that_cannot_be_read_are_an_error(
    start: Start, tmp_path: Path, content: str | None
) -> None:
    """A missing or broken file of credentials ends the master."""
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    master = start("master", "--work_dir=m", "--credentials=c.json")
    assert re.search(r"[Cc]redentials file 'c.json'", said(master))


AGENT = ("--reconfiguration_policy=additive", "--hostname=h", "--attributes=rack:a")


def start_again(
    start: Start, tmp_path: Path, *flags: str
) -> tuple[Operator, subprocess.Popen[str]]:
    """An agent of 4 cpus that was killed, and started again with these flags."""
    operator = start_master(start, tmp_path)
    port = f"--port={free_port()}"
    first = start_agent(start, operator, *AGENT, port, "--resources=cpus:4")
    until((tmp_path / "a/meta/slaves/latest").exists)
    first.kill()
    first.wait()
    return operator, start_agent(start, operator, *AGENT[:2], port, *flags)


def test_an_agent_comes_back_as_who_it_was(start: Start, tmp_path: Path) -> None:
    """With more than before, it keeps its id."""
    flags = ("--resources=cpus:6", AGENT[2])
    operator, _ = start_again(start, tmp_path, *flags)
    until(lambda: [agent.available.cpus for agent in operator.agents()] == [6.0])
    registered = (tmp_path / "a/meta/slaves/latest").resolve().name
    assert [agent.agent_id for agent in operator.agents()] == [registered]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--resources=cpus:2", AGENT[2]), "'cpus' decreased from 4.0 to 2.0"),
        (("--resources=cpus:4", "--attributes=rack:b"), "'rack' changed from a to b"),
        (("--resources=cpus:4",), "Couldn't find attribute rack"),
    ],
)
def test_an_agent_that_has_less_refuses_to_recover(
    start: Start, tmp_path: Path, flags: tuple[str, ...], reason: str
) -> None:
    """As Mesos' agent with the policy `additive`, and in its words."""
    _, agent = start_again(start, tmp_path, *flags)
    words = said(agent)
    assert reason in words
    assert "under 'additive' policy" in words
    assert "rm -f" in words


@pytest.mark.parametrize(
    ("grace", "is_taken"), [({"seconds": 5}, True), ({"nanoseconds": 5_000_000_000}, False)]
)
def test_a_grace_period_is_told_in_seconds(
    start: Start, tmp_path: Path, grace: dict[str, int], is_taken: bool
) -> None:
    """As the operator API of Mesos 1.11 has it; Mesos takes any other for none."""
    operator = start_pair(start, tmp_path)
    agent_id = {"value": operator.agents()[0].agent_id}
    call = {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": agent_id, "max_grace_period": grace}}
    request = urllib.request.Request(
        f"http://{operator.master}/api/v1",
        data=json.dumps(call).encode(),
        headers={"Authorization": USER.header},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    assert (status == 200) == is_taken


def start_job(
    operator: Operator, tmp_path: Path, *options_and_program: str
) -> subprocess.Popen[str]:
    """A job on these daemons; of all accounts ours is there for sure."""
    secret = tmp_path / "secret"
    secret.write_text(f"{USER.secret}\n")
    secret.chmod(0o600)
    who = ["--run-as", getpass.getuser(), "--principal", USER.principal, "--secret-file", secret]
    *options, program, argument = options_and_program
    return subprocess.Popen(
        [MRUNKIT, "run", "-q", *who, *options, str(operator.master), program, argument],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_runs_and_holds_nothing_afterwards(start: Start, tmp_path: Path) -> None:
    """By mrunkit's own client, with real MPICH."""
    operator = start_pair(start, tmp_path, agent=("--resources=cpus:3;mem:700",))
    with start_job(operator, tmp_path, "-n", "2", "echo", "hello") as job:
        stdout, stderr = job.communicate(timeout=60)
    assert (job.returncode, stdout, stderr) == (0, "hello\nhello\n", "")
    (agent,) = operator.agents()
    assert agent.available.cpus == 3.0


def test_a_job_ends_with_its_agent(start: Start, tmp_path: Path) -> None:
    """Which takes its tasks along."""
    operator = start_master(start, tmp_path)
    agent = start_agent(start, operator, "--resources=cpus:3;mem:700", "--hostname=h")
    until(operator.agents)
    begun = tmp_path / "begun"
    script = tmp_path / "script"
    script.write_text(f"touch {begun}; exec sleep 60\n")
    with start_job(operator, tmp_path, "sh", str(script)) as job:
        until(begun.exists)
        agent.kill()
        _, stderr = job.communicate(timeout=60)
    assert job.returncode == 125
    assert "its node failed" in stderr
