"""The role mesos: masters and agents that know each other, from an archive, with credentials.

Mesos cannot be downloaded where these tests run: the daemons are stand-ins, see
`standin/standin_mesos/__init__.py`. With MRUNKIT_MESOS_ARCHIVE (an installation prefix of Mesos,
packed with tar) and MRUNKIT_MESOS_SHA256 in the environment they are real ones.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from asking import operator, secret
from connections import served
from container_hosts import PLAYBOOKS, LabHosts

from mrunkit.mesos.operator import MasterRefusedError, Operator
from mrunkit.scheduler.offers import Agent

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BUILD = Path(__file__).parent / "standin/build.py"
STEPS = ("validate.yml", "mesos.yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive of Mesos, and what the inventory has to say of it."""

    path: Path
    sha256: str
    version: str
    is_real: bool = False

    @property
    def variables(self) -> dict[str, object]:
        """For a run of the role."""
        variables: dict[str, object] = {
            "mesos_install": "archive",
            "mesos_archive": str(self.path),
            "mesos_archive_sha256": self.sha256,
            "mesos_version": self.version,
        }
        # The stand-in needs no libraries.
        return variables if self.is_real else {**variables, "mesos_archive_packages": []}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Archive]:
    """Two versions of Mesos; a real one comes first, if there is one."""
    directory = tmp_path_factory.mktemp("archives")
    first = stand_in(directory, "1.11.0")
    second = stand_in(directory, "1.12.0", "--programs=bin")  # as the maintained fork has them
    real = os.environ.get("MRUNKIT_MESOS_ARCHIVE")
    if real:
        sha256 = os.environ["MRUNKIT_MESOS_SHA256"]
        first = Archive(path=Path(real), sha256=sha256, version="real", is_real=True)
    return first, second


def stand_in(directory: Path, version: str, *words: str) -> Archive:
    path = directory / f"mesos-{version}.tar.gz"
    subprocess.run([sys.executable, BUILD, path, version, *words], check=True)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Archive(path=path, sha256=sha256, version=version)


@pytest.fixture(scope="module")
def mesos(lab_hosts: LabHosts, archives: tuple[Archive, Archive]) -> LabHosts:
    """The hosts, once the role ran; seen first that a dry run passes and changes nothing."""
    bare = lab_hosts.play(*STEPS, "--check", **archives[0].variables)
    assert set(bare.failed.values()) == {0}
    assert not lab_hosts.present("host1", "/etc/mesos", "/opt/mesos")
    lab_hosts.play(*STEPS, **archives[0].variables)
    return lab_hosts


def agents(hosts: LabHosts) -> dict[str, Agent]:
    return {agent.hostname: agent for agent in operator(hosts).agents()}


def tell_master(hosts: LabHosts, kind: str, agent_id: str) -> None:
    """What an operator asks of the master about an agent."""
    body = {"type": kind, kind.lower(): {"agent_id": {"value": agent_id}}}
    basic = base64.b64encode(f"mrunkit:{secret(hosts)}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {basic}"}
    connection = http.client.HTTPConnection(hosts.addresses["host0"], 5050, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/api/v1", json.dumps(body), headers)
        assert connection.getresponse().status == 200


def inventory_with(hosts: LabHosts, directory: Path, host: str, variables: str) -> Path:
    """An inventory that says more of one host, beside the state of the first."""
    path = hosts.directory / f"{directory.name}.ini"
    lines = hosts.inventory.read_text().splitlines()
    path.write_text(
        "\n".join(f"{line} {variables}" if line.startswith(f"{host} ") else line for line in lines)
        + "\n"
    )
    return path


def test_all_agents_are_registered(mesos: LabHosts) -> None:
    """Under their names in the inventory, at the addresses by which the others reach them."""
    seen = {name: agent.address for name, agent in agents(mesos).items()}
    assert seen == {name: mesos.addresses[name] for name in ("host1", "host2")}


@pytest.mark.parametrize(
    ("host", "kind", "port"), [("host0", "master", 5050), ("host1", "agent", 5051)]
)
def test_daemons_start_with_their_host(mesos: LabHosts, host: str, kind: str, port: int) -> None:
    """Each where it belongs, at the lab's address only."""
    seen = mesos.seen(host)
    service = seen.service(f"mesos-{kind}")
    assert (service.is_running, service.is_enabled) == (True, True)
    assert seen.socket(f"tcp://{mesos.addresses[host]}:{port}").is_listening
    assert not seen.socket(f"tcp://127.0.0.1:{port}").is_listening


def test_a_master_redirects_to_an_address(mesos: LabHosts) -> None:
    """To one that clients outside the lab reach, where its hosts' names mean nothing."""
    address = mesos.addresses["host0"]
    connection = http.client.HTTPConnection(address, 5050, timeout=10)
    connection.request("GET", "/redirect")
    with contextlib.closing(connection):
        assert connection.getresponse().headers["Location"] == f"//{address}:5050"


def test_a_second_run_changes_nothing(mesos: LabHosts, archives: tuple[Archive, Archive]) -> None:
    """Nor does one that only looks."""
    for words in ((), ("--check",)):
        played = mesos.play(*STEPS, *words, **archives[0].variables)
        assert set(played.changed.values()) == {0}


def test_an_agent_that_was_deactivated_takes_tasks_again(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """As by a removal that was cut off; the master remembers, whatever the agent does."""
    before = agents(mesos)["host1"].agent_id
    tell_master(mesos, "DEACTIVATE_AGENT", before)
    assert set(agents(mesos)) == {"host2"}
    mesos.play(*STEPS, **archives[0].variables)
    assert agents(mesos)["host1"].agent_id == before


def test_an_agent_that_the_master_has_given_up_begins_anew(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """The master ends it whenever it comes back as the one that was marked gone."""
    before = agents(mesos)["host1"].agent_id
    tell_master(mesos, "MARK_AGENT_GONE", before)
    mesos.play(*STEPS, **archives[0].variables)
    after = agents(mesos)
    assert set(after) == {"host1", "host2"}
    assert after["host1"].agent_id != before


def test_nobody_is_answered_without_the_secret(mesos: LabHosts) -> None:
    """Reading needs it as well as registering."""
    stranger = Operator(master=operator(mesos).master, credentials=None)
    with pytest.raises(MasterRefusedError):
        stranger.agents()


def test_secrets_are_for_root_only(mesos: LabHosts, archives: tuple[Archive, Archive]) -> None:
    """In files that nobody else can read, and in no output, however wordy."""
    seen = mesos.seen("host1")
    files = [seen.file(f"/etc/mesos/{name}") for name in seen.file("/etc/mesos").listdir()]
    assert [(file.user, file.mode) for file in files] == [("root", 0o600)] * 2
    state = mesos.directory / ".mrunkit"
    assert [oct((state / "mesos-secret").stat().st_mode)[-3:]] == ["600"]
    mesos.on("host1", "rm", "/etc/mesos/agent-http-credentials.json")
    played = mesos.play(*STEPS, "-vvv", "--diff", **archives[0].variables)
    assert secret(mesos) not in played.output


def test_an_agent_has_what_the_inventory_says(
    mesos: LabHosts, archives: tuple[Archive, Archive], tmp_path: Path
) -> None:
    """More and less than before, and attributes; less means another agent, not a failure."""
    ids = []
    for cpus, rack in ((1, "a"), (4, "a"), (2, "b")):
        words = f'mesos_agent_resources="cpus:{cpus};mem:512" mesos_agent_attributes="rack:{rack}"'
        inventory = inventory_with(mesos, tmp_path, "host1", words)
        mesos.play(*STEPS, inventory=inventory, **archives[0].variables)
        agent = agents(mesos)["host1"]
        assert (agent.available.cpus, agent.available.mem) == (cpus, 512)
        assert [sorted(attribute.values) for attribute in agent.attributes] == [[rack]]
        ids.append(agent.agent_id)
    assert ids[0] == ids[1] != ids[2]


def test_a_run_that_was_cut_off_is_made_up_for(
    mesos: LabHosts, archives: tuple[Archive, Archive], tmp_path: Path
) -> None:
    """Killed after a unit was written: the next run restarts its daemon, with nothing to write."""
    inventory = inventory_with(mesos, tmp_path, "host2", 'mesos_agent_attributes="rack:cut"')
    cut_off(inventory, mesos, archives[0].variables, before="changed since the daemons")
    assert agents(mesos)["host2"].attributes == ()
    mesos.play(*STEPS, inventory=inventory, **archives[0].variables)
    assert [sorted(a.values) for a in agents(mesos)["host2"].attributes] == [["cut"]]


def test_a_master_that_was_alone_begins_anew_among_others(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """Its log would keep three from ever electing a leader; that of one of three stays."""
    log = "/var/lib/mesos/master/replicated_log"
    path = mesos.directory / "three.ini"
    text = mesos.inventory.read_text()
    path.write_text(text.replace("\n\n[agents]", "\nhost1\nhost2\n\n[agents]"))
    variables = {**archives[0].variables, "zookeeper_is_needed": False}
    kept, states = [], []
    for _ in ("alone", "among others"):
        mesos.on("host0", "mkdir", "-p", log)
        cut_off(path, mesos, variables, before="changed since the daemons")
        kept.append(mesos.seen("host0").file(log).exists)
        service = mesos.seen("host0").service("mesos-master")
        states.append(service.systemd_properties["ActiveState"])
    mesos.on("host0", "rm", "-r", log)
    for host in ("host1", "host2"):
        files = ("/etc/systemd/system/mesos-master.service", "/etc/mesos/credentials.json")
        mesos.on(host, "rm", *files)
    mesos.play(*STEPS, **archives[0].variables)

    assert kept == [False, True]
    assert states[0] == "inactive"


def cut_off(inventory: Path, hosts: LabHosts, variables: dict[str, object], *, before: str) -> None:
    """Run the role, and kill the run where a task's or handler's headline says so."""
    program = Path(sys.executable).parent / "ansible-playbook"
    extra = json.dumps({**hosts.variables, **variables})
    with subprocess.Popen(
        [program, "-i", inventory, *STEPS, "--extra-vars", extra],
        cwd=PLAYBOOKS,
        env={**os.environ, "ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        reached = any(before in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    assert reached, f"the run never came to {before}"


def test_versions_are_switched_and_switched_back(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """Upwards by download; back without one, since the former lies there still."""
    first, second = archives
    mesos.play(*STEPS, **first.variables)
    version = operator(mesos).version()
    ids = {name: agent.agent_id for name, agent in agents(mesos).items()}
    gateway = mesos.addresses["host0"].rpartition(".")[0] + ".1"
    with served(second.path.parent, gateway) as port:
        url = f"http://{gateway}:{port}/{second.path.name}"
        mesos.play(*STEPS, **{**second.variables, "mesos_archive": url})
    assert operator(mesos).version() == second.version
    if not first.is_real:  # whose registry the stand-in does not read
        assert {name: agent.agent_id for name, agent in agents(mesos).items()} == ids
    gone = {**first.variables, "mesos_archive": "/nowhere/mesos.tar.gz"}
    mesos.play(*STEPS, **gone)
    assert operator(mesos).version() == version


def test_what_unpacks_an_archive_is_brought(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """To the host that lacks it, and no other one."""
    mesos.on("host1", "mv", "/usr/bin/tar", "/usr/bin/tar.away")
    try:
        new = {**archives[1].variables, "mesos_version": "9.9.9"}  # that no host has unpacked
        played = mesos.play(*STEPS, "--check", **new)
    finally:
        mesos.on("host1", "mv", "/usr/bin/tar.away", "/usr/bin/tar")

    told = re.findall(r"\[(\w+)\] =>\s+msg: Would install (.*)", played.output)
    assert told == [("host1", "tar, gzip")]


def test_a_port_that_somebody_else_holds_is_told(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """Who would answer as the master is asked nothing, for the secret would go along."""
    holder = ("-d", "-u", "nobody", mesos.containers["host0"], "python3", "-m", "http.server")
    mesos.on("host0", "systemctl", "stop", "mesos-master")
    mesos.docker("exec", *holder, "5050")
    mesos.on("host0", "timeout", "30", "sh", "-c", "until ss -tln | grep -q :5050; do :; done")
    played = mesos.play(*STEPS, check=False, **archives[0].variables)
    mesos.on(
        "host0", "sh", "-c", "kill $(ss -Htlnp sport = :5050 | grep -o 'pid=[0-9]*' | cut -c5-)"
    )
    mesos.play(*STEPS, **archives[0].variables)

    uid = mesos.on("host0", "id", "-u", "nobody").strip()
    said = " ".join(played.output.split())
    assert (
        "Port 5050 of host0, which is mesos-master's, is held by a program of the account" in said
    )
    assert f"with the uid {uid}" in said
    assert set(agents(mesos)) == {"host1", "host2"}


@pytest.mark.parametrize("place", ["path", "URL"])
def test_an_archive_with_another_checksum_is_not_unpacked(
    mesos: LabHosts, archives: tuple[Archive, Archive], place: str
) -> None:
    """The run says which checksum it has, and leaves nothing of it."""
    archive = archives[1]
    gateway = mesos.addresses["host0"].rpartition(".")[0] + ".1"
    variables = {**archive.variables, "mesos_archive_sha256": "0" * 64}
    with served(archive.path.parent, gateway) as port:
        if place == "URL":
            variables["mesos_archive"] = f"http://{gateway}:{port}/{archive.path.name}"
        played = mesos.play(*STEPS, check=False, **variables)
    assert played.status != 0
    assert archive.sha256 in played.output
    assert "00000000" not in mesos.on("host1", "ls", "/opt/mesos")
    assert set(played.changed.values()) == {0}


def test_what_a_daemon_says_is_told_if_it_does_not_start(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """With the daemon's own last words; and the next run, without the mistake, mends it."""
    mistake = {**archives[0].variables, "mesos_agent_flags": {"containerisers": "docker"}}
    played = mesos.play(*STEPS, check=False, **mistake)
    assert set(played.failed.items()) >= {("host1", 1), ("host2", 1)}
    assert "mesos-agent does not answer" in played.output
    assert "unknown flag 'containerisers'" in played.output
    mesos.play(*STEPS, **archives[0].variables)
    assert set(agents(mesos)) == {"host1", "host2"}


def test_agents_that_would_run_no_containers_are_refused(
    mesos: LabHosts, archives: tuple[Archive, Archive]
) -> None:
    """Apache Mesos on a host with cgroup v2 only; nothing is changed there."""
    without = {"mesos_has_cgroups_v1": False, "mesos_cgroups_v2_flag": ""}
    played = mesos.play(*STEPS, check=False, **archives[0].variables, **without)
    assert set(played.failed.items()) >= {("host1", 1), ("host2", 1)}
    assert "systemd.unified_cgroup_hierarchy=0" in played.output
    assert set(played.changed.values()) == {0}


def test_teardown_leaves_nothing(mesos: LabHosts, archives: tuple[Archive, Archive]) -> None:
    """Neither daemons nor files; run last."""
    words = ("teardown.yml", "--tags", "mesos")
    command = "ls -d /opt/mesos /etc/mesos /var/lib/mesos/* /run/mesos*"
    for expected in (True, False):
        played = mesos.play(*words, **archives[0].variables)
        assert any(played.changed.values()) == expected
    for host in mesos.containers:
        assert mesos.on(host, "sh", "-c", command, check=False) == ""
        running = mesos.seen(host).process.filter()
        assert not [process for process in running if "bin/mesos" in process.args]
