"""One examination of a lab: asks its hosts, and hands what they answer to the judges."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, TypeVar

from mrunkit.containers.engine import own_node_id
from mrunkit.provision.doctor import machines, mesos_agents, mpi_check, overlay, reach, swarm
from mrunkit.provision.doctor.experiment import Surroundings, experiment
from mrunkit.provision.doctor.facts import Docker, HostFacts, Missing, fact_commands, parse_facts
from mrunkit.provision.doctor.hosts import Answers, Command, Hosts, Probe
from mrunkit.provision.doctor.mesos_agents import ExpectedAgent, RegisteredAgent
from mrunkit.provision.doctor.overlay import Experiment
from mrunkit.provision.doctor.verdicts import Check, Problem, Verdict, judged, skipped
from mrunkit.provision.lab import Lab, LabHost
from mrunkit.provision.lab_settings import FALSE
from mrunkit.ssh import Completed

CLOCK_READINGS = 3
"""Of which the one that took the shortest counts."""
MASTER_SECONDS = 10.0
NO_IMAGE = "the lab has no image (lab_image is empty)"

T = TypeVar("T")


def examine(lab: Lab, wanted: Collection[Check], tell: Callable[[list[Verdict]], None]) -> None:
    """Make the checks in their order, and tell the verdicts of each as soon as it is made.

    Login is always one of them: all others need it.
    """
    with Hosts(host.ssh for host in lab.hosts) as hosts:
        examination = Examination(lab, hosts)
        for check in Check:
            is_wanted = check in wanted or check is Check.LOGIN
            tell(examination.make(check) if is_wanted else skipped(check, "as asked"))


class Examination:
    """Each check is a method by its name; what several need is asked once."""

    def __init__(self, lab: Lab, hosts: Hosts) -> None:
        self._lab = lab
        self._settings = lab.settings
        self._hosts = hosts
        self._names = [host.name for host in lab.hosts]
        self._by_name = {host.name: host for host in lab.hosts}
        self._run = secrets.token_hex(4)

    def make(self, check: Check) -> list[Verdict]:
        """Make a check."""
        method: Callable[[], list[Verdict]] = getattr(self, check.value)
        return method()

    # --- the machines -----------------------------------------------------------------

    def login(self) -> list[Verdict]:
        """All hosts are reached, with root's rights."""
        _ = self._greetings  # a host may be lost at this only
        seen = f"{len(self._names)} hosts, as root"
        return judged(Check.LOGIN, self._hosts.login_problems(), seen=seen)

    def clocks(self) -> list[Verdict]:
        """Kept by NTP, and together."""
        readings = self._hosts.ask(lambda _, probe: _read_clock(probe)).by_host
        problems = [*self._facts.problems]
        problems += machines.clock_problems(self._facts.by_host, readings)
        return judged(
            Check.CLOCKS, problems, seen=machines.clocks_seen(self._facts.by_host, readings)
        )

    def disk(self) -> list[Verdict]:
        """There is room."""
        facts = self._facts
        problems = [*facts.problems, *machines.disk_problems(facts.by_host)]
        return judged(Check.DISK, problems, seen=machines.disks_seen(facts.by_host))

    def nofile(self) -> list[Verdict]:
        """Processes may open enough files."""
        facts = self._facts
        problems = [*facts.problems, *machines.nofile_problems(facts.by_host)]
        return judged(Check.NOFILE, problems, seen=machines.nofile_seen(facts.by_host))

    def versions(self) -> list[Verdict]:
        """Docker, MPICH and Mesos are the same everywhere."""
        facts, agents, masters = self._facts, self._registered, self._master_versions()
        mesos: dict[str, str] = {}
        problems = [*facts.problems]
        if isinstance(agents, Missing):
            problems.append(Problem(what=f"Mesos: {agents.why}", remedy="see agents"))
        else:
            mesos = {agent.hostname: agent.version for agent in agents}
            problems += masters.problems
            for name, version in masters.by_host.items():
                if isinstance(version, Missing):
                    problems.append(Problem(what=version.why, remedy="see agents", host=name))
                else:
                    mesos[f"{name} (master)"] = version
        problems += machines.version_problems(facts.by_host, mesos)
        return judged(Check.VERSIONS, problems, seen=machines.versions_seen(facts.by_host, mesos))

    # --- between them -----------------------------------------------------------------

    def ssh(self) -> list[Verdict]:
        """The lab's user gets from every host to every other, or to some of many."""

        def log_in_to_others(name: str, probe: Probe) -> dict[str, Completed]:
            others = reach.logins_from(name, self._names)
            commands = [reach.ssh_command(other, user=self._user(name)) for other in others]
            ended = probe.run(commands, parallel=reach.SSH_AT_A_TIME)
            return dict(zip(others, ended, strict=True))

        ended = self._hosts.ask(log_in_to_others)
        user = self._user(self._names[0])
        problems = [*ended.problems, *reach.ssh_problems(ended.by_host, user=user)]
        ways = sum(map(len, ended.by_host.values()))
        some = "every other" if len(self._names) <= reach.ALL_PAIRS_UP_TO else "some others"
        return judged(Check.SSH, problems, seen=f"{user} gets from every host to {some} ({ways})")

    def share(self) -> list[Verdict]:
        """What one host writes, all read."""
        share, storage, text = self._settings.share, self._lab.storage.name, secrets.token_hex(16)

        def path(name: str) -> str:
            return f"{share}/{reach.FILE_PREFIX}{self._run}-{name}"

        def write(name: str, probe: Probe) -> Completed:
            user = self._user(name)
            probe.ask("at_end", command=reach.remove_command(path(name), user=user).to_json())
            if name == storage:
                probe.run([reach.tidy_command(share, user=user)])
            (ended,) = probe.run([reach.write_command(path(name), text, user=user)])
            return ended

        written = self._hosts.ask(write)
        writers = list(written.by_host)

        def read(name: str, probe: Probe) -> tuple[str, Completed, Completed]:
            # Each what another wrote: all have written, and all have read.
            writer = [*reach.others_from(name, writers), name][0]
            (ended,) = probe.run([reach.read_command(path(writer), user=self._user(name))])
            # After that: a mount on demand is there only now.
            (mounts,) = probe.run([Command(words=("cat", "/proc/mounts"))])
            return writer, ended, mounts

        answers = self._hosts.ask(read, writers)
        problems = [*written.problems, *answers.problems]
        problems += reach.share_problems(
            share,
            storage=storage,
            is_nfs=self._is_nfs,
            user=self._user(storage),
            writing=written.by_host,
            reading={
                name: (writer, ended)
                for name, (writer, ended, _) in answers.by_host.items()
                if written.by_host[writer].status == 0
            },
            mounts={
                name: reach.mount_type(mounts.stdout, share)
                for name, (_, _, mounts) in answers.by_host.items()
            },
            text=text,
        )
        seen = f"{share} of {storage}: written and read by {len(writers)} hosts"
        return judged(Check.SHARE, problems, seen=seen)

    @property
    def _is_nfs(self) -> bool:
        return self._lab.storage.role_variable("nfs_provides_share").lower() not in FALSE

    # --- Docker -----------------------------------------------------------------------

    def swarm(self) -> list[Verdict]:
        """All nodes are ready, all managers reachable."""
        managers = [host.name for host in self._lab.managers]
        questions = (swarm.NODES, swarm.ADDRESSES, swarm.IS_MADE_BY_LAB)
        told = self._hosts.ask(lambda _, probe: probe.run(questions), managers).by_host.values()
        lists = [swarm.parse_nodes(listed, addresses) for listed, addresses, _ in told]
        nodes = _first_that_tells(lists, "no manager is reached")
        facts = self._facts
        problems = [*facts.problems]
        problems += swarm.swarm_problems(facts.by_host, nodes, managers=managers)
        # Of a swarm that was there before the lab, the other nodes are its owner's matter.
        if any(is_made.status == 0 for _, _, is_made in told):
            found = swarm.strangers(
                facts.by_host, nodes, hosts=self._names, addresses=self._host_by_address()
            )
            here = own_node_id() if found else ""
            problems += swarm.stranger_problems([node for node in found if node.node_id != here])
        return judged(Check.SWARM, problems, seen=swarm.swarm_seen(nodes))

    def image(self) -> list[Verdict]:
        """The same image everywhere."""
        image, facts = self._settings.image, self._facts
        if image is None:
            return skipped(Check.IMAGE, NO_IMAGE)
        problems = [*facts.problems]
        problems += machines.image_problems(facts.by_host, image, str(self._lab.inventory))
        return judged(Check.IMAGE, problems, seen=machines.image_seen(facts.by_host, image))

    def overlay(self) -> list[Verdict]:
        """Containers on different hosts reach each other."""
        if reason := self._no_containers:
            return skipped(Check.OVERLAY, reason)
        made, problems = self._experiment
        if made is None:
            return judged(Check.OVERLAY, problems, seen="")
        problems = [*problems, *overlay.overlay_problems(made)]
        seen = f"containers reach each other on {len(made.paths)} paths"
        return judged(Check.OVERLAY, problems, seen=seen)

    def encryption(self) -> list[Verdict]:
        """What containers say cannot be read on the wire."""
        if reason := self._no_containers:
            return skipped(Check.ENCRYPTION, reason)
        if not self._settings.network_is_encrypted:
            return skipped(Check.ENCRYPTION, "not wanted (lab_network_is_encrypted is false)")
        made, _ = self._experiment
        if made is None:
            return judged(Check.ENCRYPTION, [overlay.CANNOT_BE_SEEN], seen="")
        problems = [*overlay.absent_problems(made, self._names)]
        problems += overlay.encryption_problems(made, self._settings.network)
        return judged(Check.ENCRYPTION, problems, seen=overlay.encryption_seen(made))

    def mtu(self) -> list[Verdict]:
        """A packet as large as the network's MTU arrives whole."""
        if reason := self._no_containers:
            return skipped(Check.MTU, reason)
        made, _ = self._experiment
        if made is None:
            return judged(Check.MTU, [overlay.CANNOT_BE_SEEN], seen="")
        problems = [*overlay.absent_problems(made, self._names), *overlay.mtu_problems(made)]
        return judged(Check.MTU, problems, seen=overlay.mtu_seen(made))

    @property
    def _no_containers(self) -> str | None:
        """Why there is nothing to see between containers."""
        if self._settings.image is None:
            return NO_IMAGE
        return "the lab is one host" if len(self._names) == 1 else None

    # --- Mesos ------------------------------------------------------------------------

    def agents(self) -> list[Verdict]:
        """All are registered, with the resources that they should have."""
        registered = self._registered
        expected = [self._expected(host) for host in self._lab.agents]
        problems = mesos_agents.agent_problems(expected, registered)
        seen = mesos_agents.agents_seen(expected, registered)
        return judged(Check.AGENTS, problems, seen=seen)

    def mpi(self) -> list[Verdict]:
        """A job over all agents that take tasks; `agents` fails for the others.

        Over all where none does, or no master tells: then the job says why it cannot run.
        """
        expected = [self._expected(host) for host in self._lab.agents]
        able = mesos_agents.hosts_that_take_tasks(expected, self._registered)
        agents = [self._by_name[name] for name in able] or self._lab.agents
        return mpi_check.check_mpi(self._hosts, self._lab, agents, run=self._run, user=self._user)

    # --- what several checks need -----------------------------------------------------

    @cached_property
    def _greetings(self) -> dict[str, dict[str, Any]]:
        def greet(name: str, probe: Probe) -> dict[str, Any]:
            answer: dict[str, Any] = probe.ask("greet", interface=self._by_name[name].interface)
            return answer

        return self._hosts.ask(greet).by_host

    def _user(self, name: str) -> str:
        login = self._greetings.get(name, {}).get("login", "root")
        return self._settings.user or str(login)

    def _address(self, name: str) -> str:
        host = self._by_name[name]
        found = self._greetings.get(name, {}).get("address")
        return str(host.lab_address or found or host.address)

    @cached_property
    def _facts(self) -> Answers[HostFacts]:
        def ask(name: str, probe: Probe) -> HostFacts:
            commands = fact_commands(
                user=self._user(name),
                share=self._settings.share,
                image=self._settings.image,
                mpich_prefix=self._by_name[name].role_variable("mpich_prefix"),
            )
            ended = probe.run(commands.values())
            return parse_facts(dict(zip(commands, ended, strict=True)))

        return self._hosts.ask(ask)

    @cached_property
    def _experiment(self) -> tuple[Experiment | None, list[Problem]]:
        assert self._settings.image is not None, "checks with containers need an image"
        name = self._settings.network
        inspect = overlay.inspect_command(name)
        inspected = self._hosts.ask(
            lambda _, probe: probe.run([inspect])[0], [host.name for host in self._lab.managers]
        )
        found = [overlay.parse_network(ended) for ended in inspected.by_host.values()]
        network = next((network for network in found if network is not None), None)
        problems = list(overlay.network_problems(name, network, subnet=str(self._settings.subnet)))
        if network is None or network.driver != "overlay" or not network.is_attachable:
            return None, problems
        around = Surroundings(
            run=self._run,
            network=name,
            image=self._settings.image,
            host_by_address=self._host_by_address(),
        )
        made, more = experiment(self._hosts, around, network)
        return made, problems + more

    def _host_by_address(self) -> dict[str, str]:
        by_address = {self._address(name): name for name in self._names}
        for name, facts in self._facts.by_host.items():
            if isinstance(facts.docker, Docker) and facts.docker.node_address:
                by_address[facts.docker.node_address] = name
        return by_address

    @cached_property
    def _registered(self) -> tuple[RegisteredAgent, ...] | Missing:
        principal, secret = self._settings.principal or "", ""
        if principal:
            try:
                secret = self._settings.secret_file.read_text().strip()
            except OSError as error:
                why = f"no secret to ask the master with: {error.filename}: {error.strerror}"
                return Missing(why=why)

        def ask(name: str, probe: Probe) -> tuple[RegisteredAgent, ...] | Missing:
            url = f"http://{self._address(name)}:{self._settings.master_port}/slaves"
            told = probe.ask("get", url=url, user=principal, secret=secret, seconds=MASTER_SECONDS)
            return mesos_agents.parse_agents(told["status"], told["body"])

        asked = self._hosts.ask(ask, [host.name for host in self._lab.masters])
        answers = sorted(asked.by_host.values(), key=lambda told: told == mesos_agents.NOT_LEADING)
        return _first_that_tells(answers, "no master's host is reached")

    def _master_versions(self) -> Answers[str | Missing]:
        def ask(name: str, probe: Probe) -> str | Missing:
            url = f"http://{self._address(name)}:{self._settings.master_port}/version"
            told = probe.ask("get", url=url, user="", secret="", seconds=MASTER_SECONDS)
            return mesos_agents.parse_version(told["status"], told["body"])

        return self._hosts.ask(ask, [host.name for host in self._lab.masters])

    def _expected(self, host: LabHost) -> ExpectedAgent:
        return ExpectedAgent(
            host=host.name,
            address=self._address(host.name),
            resources=mesos_agents.parse_resources(
                host.variables.get("mesos_agent_resources") or ""
            ),
        )


def _first_that_tells(answers: list[T | Missing], otherwise: str) -> T | Missing:
    told = [answer for answer in answers if not isinstance(answer, Missing)]
    return next(iter([*told, *answers]), Missing(why=otherwise))


def _read_clock(probe: Probe) -> machines.Reading:
    readings = []
    for _ in range(CLOCK_READINGS):
        before = time.time()
        told = probe.ask("now")
        readings.append(machines.Reading(before=before, told=told, after=time.time()))
    return min(readings, key=lambda reading: reading.doubt)
