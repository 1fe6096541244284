"""The agent: recovers who it was, registers, says once a second that it is there, runs tasks."""

from __future__ import annotations

import json
import queue
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from mrunkit.local.agent import Host
from mrunkit.local.messages import ForwardUpdate
from standin_mesos import flags as flag
from standin_mesos.credentials import basic, read_credential, read_credentials
from standin_mesos.packing import pack, unpack
from standin_mesos.resources import parse_attributes, parse_resources, refusal
from standin_mesos.running import Running
from standin_mesos.serving import Answer, Request, serve
from standin_mesos.version import VERSION
from standin_mesos.zookeeper import ZooKeeper, ZooKeeperError

BEAT_SECONDS = 1.0


class Agent:
    """Its flags, and who it is."""

    def __init__(self, flags: dict[str, str]) -> None:
        flag.require(flags, "master", "work_dir")
        self.flags = flags
        self._authorization = None
        self._secrets: dict[str, str] = {}
        if "credential" in flags:
            self._authorization = basic(*read_credential(flags["credential"]))
        if "http_credentials" in flags:
            self._secrets = read_credentials(flags["http_credentials"])
        for name in ("authenticate_http_readonly", "authenticate_http_readwrite"):
            if flag.is_on(flags, name) and not self._secrets:
                raise flag.FlagError(f"Flag '{name}' needs --http_credentials")
        work_dir = Path(flags["work_dir"]).absolute()
        work_dir.mkdir(parents=True, exist_ok=True)
        self.address = flags.get("advertise_ip") or flags.get("ip") or "127.0.0.1"
        self.port = int(flags.get("port", "5051"))
        self.info: dict[str, Any] = {
            "hostname": flags.get("hostname", self.address),
            "port": self.port,
            "resources": parse_resources(flags.get("resources", ""), str(work_dir)),
            "attributes": parse_attributes(flags.get("attributes", "")),
        }
        self._work_dir = work_dir
        self._meta = work_dir / "meta/slaves"
        self._used = work_dir / "standin-used"
        self.id = self._recover()
        self._zookeeper: ZooKeeper | None = None
        self._leader = ""
        """The master that took us in; the other threads have no ZooKeeper of their own."""
        self._incarnation = str(uuid.uuid4())
        self._running: Running | None = None
        self._updates: queue.SimpleQueue[ForwardUpdate] = queue.SimpleQueue()

    def answer(self, request: Request) -> Answer:
        """What a request gets."""
        path = request.path
        for prefix in ("/slave(1)", "/agent"):
            if path.startswith(prefix):
                path = path[len(prefix) :]
        if path == "/health":
            return Answer(200)
        if path == "/version":
            return Answer(200, {"version": VERSION, "git_sha": "stand-in"})
        name = f"authenticate_http_read{'only' if request.method == 'GET' else 'write'}"
        if flag.is_on(self.flags, name):
            refused = request.refused(self._secrets, "mesos-agent")
            if refused:
                return refused
        if path == "/flags":
            return Answer(200, {"flags": self.flags})
        if path == "/state":
            return Answer(
                200, {"id": self.id, "version": VERSION, "flags": self.flags, **self.info}
            )
        return Answer(404)

    def keep_registered(self) -> None:
        """Register, again and again: a master that was started anew learns of us so."""
        while True:
            try:
                self._register(self._master())
            except urllib.error.HTTPError as error:
                if error.code in (401, 403):
                    flag.exit_with("Master refused authentication")
                if error.code == 410:
                    sys.stderr.write("Asked to shut down because 'Agent has been marked gone'\n")
                    return
            except (OSError, ZooKeeperError):
                self._zookeeper = None
            time.sleep(BEAT_SECONDS)

    def _master(self) -> str:
        master = self.flags["master"]
        if not master.startswith("zk://"):
            return master
        self._zookeeper = self._zookeeper or ZooKeeper(master)
        leader: Any = self._zookeeper.leader()
        if leader is None:
            raise ZooKeeperError("nobody leads")
        return f"{leader['address']['ip']}:{leader['address']['port']}"

    def _register(self, master: str) -> None:
        body = {
            **self.info,
            "ip": self.address,
            "id": self.id,
            "version": VERSION,
            "incarnation": self._incarnation,
            "running": [] if self._running is None else self._running.tasks(),
            "used_cpus": float(self._used.read_text()) if self._used.exists() else 0.0,
        }
        told = self._ask(master, "agents", body)["id"]
        self._leader = master
        if told != self.id:
            sys.stderr.write(f"Registered with master {master}; given agent ID {told}\n")
            self.id = told
            self._checkpoint()
        if self._running is None:
            host = Host(agent_id=self.id, hostname=self.info["hostname"], ip=self.address)
            self._running = Running(host, self._work_dir, self._updates.put)
            for job in (self._follow_orders, self._send_updates):
                threading.Thread(target=job, args=(self._running,), daemon=True).start()

    def _ask(self, master: str, what: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"http://{master}/standin/{what}", data=json.dumps(body).encode(), method="POST"
        )
        if self._authorization:
            request.add_header("Authorization", self._authorization)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")

    def _follow_orders(self, running: Running) -> None:
        while True:
            try:
                orders = unpack(self._ask(self._leader, "orders", {"id": self.id}))
            except OSError:
                time.sleep(BEAT_SECONDS)
                continue
            for order in orders:
                running.carry_out(order)

    def _send_updates(self, _running: Running) -> None:
        """What gets lost is sent again by `running` until somebody has acknowledged it."""
        while True:
            update = self._updates.get()
            try:
                self._ask(self._leader, "updates", pack([update]))
            except OSError as error:
                sys.stderr.write(f"Could not send an update: {error}\n")

    def _recover(self) -> str:
        latest = self._meta / "latest"
        if not latest.is_symlink() or self.flags.get("recover", "reconnect") != "reconnect":
            return ""
        saved = json.loads((latest / "slave.info").read_text())
        reason = refusal(saved, self.info, self.flags.get("reconfiguration_policy", "equal"))
        if reason:
            raise flag.FlagError(
                f"Failed to perform recovery: {reason}\n"
                "If recovery failed due to a change in configuration and you want to\n"
                "keep the current agent id, you might want to change the\n"
                "`--reconfiguration_policy` flag to a more permissive value.\n\n"
                "To restart this agent with a new agent id instead, do as follows:\n"
                f"rm -f {latest}\n"
                "This ensures that the agent does not recover old live executors."
            )
        self.id = latest.resolve().name
        self._checkpoint()
        return self.id

    def _checkpoint(self) -> None:
        directory = self._meta / self.id
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "slave.info").write_text(json.dumps(self.info))
        latest = self._meta / "latest"
        new = self._meta / "latest.new"
        new.unlink(missing_ok=True)
        new.symlink_to(directory)
        new.replace(latest)


def check_surroundings(flags: dict[str, str]) -> None:
    """Raise FlagError if what tasks need is not there."""
    directory = flags.get("launcher_dir")
    if directory and not (Path(directory) / "mesos-docker-executor").exists():
        raise flag.FlagError(
            f"Failed to find 'mesos-docker-executor' in launcher_dir '{directory}'"
        )
    if "docker" in flags.get("containerizers", "mesos").split(","):
        docker = flags.get("docker", "docker")
        if shutil.which(docker) is None:
            raise flag.FlagError(
                "Failed to create a containerizer: Could not create DockerContainerizer: "
                f"Failed to create docker: '{docker}' is not there"
            )
        # Both as in the maintained fork; agents of Apache Mesos do not know the flag.
        if not flag.is_on(flags, "enable_cgroupsv2") and not has_cgroups_v1():
            raise flag.FlagError(
                "Failed to create a containerizer: Could not create DockerContainerizer: "
                "Failed to create docker: Failed to find a mounted cgroups hierarchy for the 'cpu' "
                "subsystem; you probably need to mount cgroups manually"
            )


def has_cgroups_v1() -> bool:
    """Whether a hierarchy `cpu` of version 1 is mounted."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return any(words[2] == "cgroup" and "cpu" in words[3].split(",") for words in mounts)


def main() -> None:
    """Run until told to stop."""
    try:
        flags = flag.parse_flags(sys.argv[1:], flag.AGENT)
        if flag.is_on(flags, "version"):
            sys.stdout.write(f"mesos {VERSION}\n")
            return
        if flag.is_on(flags, "help"):
            sys.stdout.writelines(f"  --{name}=VALUE\n" for name in sorted(flag.AGENT))
            return
        check_surroundings(flags)
        agent = Agent(flags)
        server = serve((flags.get("ip", "0.0.0.0"), agent.port), agent.answer)
    except (flag.FlagError, OSError) as error:
        flag.exit_with(str(error))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    agent.keep_registered()
