"""The master: takes agents in, shows them, and hands them on to what schedules."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from standin_mesos import flags as flag
from standin_mesos.credentials import read_credentials
from standin_mesos.packing import pack, unpack
from standin_mesos.scheduling import Scheduling
from standin_mesos.serving import Answer, Request, serve
from standin_mesos.version import VERSION
from standin_mesos.zookeeper import ZooKeeper, ZooKeeperError

SILENT_SECONDS = 3.0
"""After which an agent is shown as not active."""
GONE_SECONDS = 75.0
ORDER_SECONDS = 5.0
"""An agent that asks for orders waits so long for one."""
OPEN = {"/health", "/version"}


class Master:
    """Its flags, and the agents that are registered."""

    def __init__(self, flags: dict[str, str]) -> None:
        flag.require(flags, "work_dir")
        self.flags = flags
        self.address = flags.get("advertise_ip") or flags.get("ip") or "127.0.0.1"
        self.port = int(flags.get("port", "5050"))
        self.id = str(uuid.uuid4())
        self.leader: dict[str, Any] = self.info
        self._started = time.time()
        self._lock = threading.Lock()
        self._agents: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, float] = {}
        self._gone: set[str] = set()
        self._scheduling = Scheduling(self.id, self.port)
        self._secrets: dict[str, str] = {}
        self._read_secrets()
        if "zk" in flags:
            flag.require(flags, "quorum")
        Path(flags["work_dir"]).mkdir(parents=True, exist_ok=True)
        if "webui_dir" in flags and not Path(flags["webui_dir"]).is_dir():
            raise flag.FlagError(f"Failed to find webui_dir '{flags['webui_dir']}'")

    @property
    def info(self) -> dict[str, Any]:
        """MasterInfo, as others see it."""
        address = {"hostname": self._hostname, "ip": self.address, "port": self.port}
        pid = f"master@{self.address}:{self.port}"
        return {
            "id": self.id,
            "pid": pid,
            "version": VERSION,
            "port": self.port,
            "address": address,
        }

    @property
    def _hostname(self) -> str:
        return self.flags.get("hostname", self.address)

    @property
    def is_leading(self) -> bool:
        """Only the leader takes agents."""
        return bool(self.leader.get("id") == self.id)

    def answer(self, request: Request) -> Answer:
        """What a request gets."""
        path = request.path
        if path.startswith("/master/"):
            path = path[len("/master") :]
        if path == "/health":
            return Answer(200)
        if path == "/version":
            return Answer(200, {"version": VERSION, "git_sha": "stand-in"})
        if path == "/redirect" or not self.is_leading:
            where = self.leader.get("address")
            if where is None:
                return Answer(503, "No leader elected")
            here = f"//{where['hostname']}:{where['port']}"
            return Answer(307, None, {"Location": here + ("" if path == "/redirect" else path)})
        if path.startswith("/standin/"):
            return self._refused_agent(request) or self._answer_agent(path, request.body)
        return self._refused(path, request) or self._show(path, request)

    def _answer_agent(self, path: str, body: Any) -> Answer:
        if path == "/standin/agents":
            return self._register(body)
        if path == "/standin/orders":
            return Answer(200, pack(self._scheduling.orders(body["id"], ORDER_SECONDS)))
        self._scheduling.report(unpack(body))
        return Answer(200)

    def _show(self, path: str, request: Request) -> Answer:
        if path == "/api/v1/scheduler":
            return self._scheduling.call(request)
        if request.method == "POST":
            return self._call(path, request.body)
        with self._lock:
            agents = self._listed()
        if path == "/slaves":
            return Answer(200, {"slaves": agents, "recovered_slaves": []})
        if path == "/flags":
            return Answer(200, {"flags": self.flags})
        if path in ("/state", "/state-summary"):
            return Answer(200, self._state(agents))
        if path in ("/frameworks", "/tasks"):
            return Answer(200, self._scheduling.page(path))
        return Answer(404)

    def _state(self, agents: list[dict[str, Any]]) -> dict[str, Any]:
        active = sum(agent["active"] for agent in agents)
        return {
            **self.info,
            "hostname": self._hostname,
            "start_time": self._started,
            "cluster": self.flags.get("cluster", ""),
            "leader": self.leader["pid"],
            "leader_info": {**self.leader, "hostname": self.leader["address"]["hostname"]},
            "activated_slaves": float(active),
            "deactivated_slaves": float(len(agents) - active),
            "unreachable_slaves": 0.0,
            "flags": self.flags,
            "slaves": agents,
            **self._scheduling.page("/frameworks"),
        }

    def _listed(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        for key in [key for key, seen in self._seen.items() if now - seen > GONE_SECONDS]:
            del self._agents[key], self._seen[key]
        for key, agent in self._agents.items():
            agent["active"] = not (self._is_silent(key) or agent["deactivated"])
        return [self._with_used(agent) for agent in self._agents.values()]

    def _is_silent(self, key: str) -> bool:
        return time.monotonic() - self._seen[key] >= SILENT_SECONDS

    def _with_used(self, agent: dict[str, Any]) -> dict[str, Any]:
        used = self._scheduling.used(agent["id"])
        said = agent["used_resources"]["cpus"]
        return {**agent, "used_resources": {**used, "cpus": used["cpus"] + said}}

    def _call(self, path: str, body: Any) -> Answer:
        """The few calls of the operator API that end an agent's service."""
        if path != "/api/v1" or not isinstance(body, dict):
            return Answer(404)
        kind = body.get("type", "")
        asked = body.get(str(kind).lower(), {}).get("agent_id", {}).get("value")
        with self._lock:
            agent = self._agents.get(asked)
            if kind in ("DRAIN_AGENT", "DEACTIVATE_AGENT", "REACTIVATE_AGENT", "MARK_AGENT_GONE"):
                if agent is None:
                    return Answer(400, f"Agent {asked} is unknown")
                if kind == "MARK_AGENT_GONE":
                    del self._agents[asked], self._seen[asked]
                    self._gone.add(asked)
                    self._scheduling.lost(asked)
                elif kind == "REACTIVATE_AGENT":
                    agent["deactivated"] = False
                    agent.pop("drain_info", None)
                elif kind == "DRAIN_AGENT":
                    return _drain(agent, body["drain_agent"])
                else:
                    agent["deactivated"] = True
                return Answer(200)
        return Answer(501, f"the stand-in for Mesos does not do {kind}")

    def _refused_agent(self, request: Request) -> Answer | None:
        if not flag.is_on(self.flags, "authenticate_agents"):
            return None
        return request.refused(self._secrets, "mesos-standin-agent")

    def _register(self, told: dict[str, Any]) -> Answer:
        pid = f"slave(1)@{told['ip']}:{told['port']}"
        if told["id"] in self._gone:
            return Answer(410, "Agent has been marked gone")
        with self._lock:
            others = [key for key, agent in self._agents.items() if agent["pid"] == pid]
            key = told["id"] or f"{self.id}-S{uuid.uuid4().hex[:8]}"
            for other in others:
                if other != key:
                    del self._agents[other], self._seen[other]
                    self._scheduling.lost(other)
            before = self._agents.get(key, {"registered_time": time.time(), "deactivated": False})
            self._agents[key] = {**before, **_shown(told), "id": key, "pid": pid, "active": True}
            self._seen[key] = time.monotonic()
            self._scheduling.beat(told, key)
        return Answer(200, {"id": key})

    def watch_agents(self) -> None:
        """Tell who schedules of agents that have fallen silent, for ever."""
        while True:
            time.sleep(1)
            with self._lock:
                silent = [agent["id"] for agent in self._listed() if self._is_silent(agent["id"])]
            for agent_id in silent:
                self._scheduling.lost(agent_id)

    def _refused(self, path: str, request: Request) -> Answer | None:
        name = "authenticate_http_readonly"
        if path == "/api/v1/scheduler":
            name = "authenticate_http_frameworks"
        elif request.method == "POST":
            name = "authenticate_http_readwrite"
        if not flag.is_on(self.flags, name):
            return None
        return request.refused(self._secrets, "mesos-master")

    def _read_secrets(self) -> None:
        flags = self.flags
        if "credentials" in flags:
            self._secrets = read_credentials(flags["credentials"])
        names = ("readonly", "readwrite", "frameworks")
        wanted = [f"authenticate_http_{name}" for name in names]
        wanted += ["authenticate_agents", "authenticate_frameworks"]
        for name in wanted:
            if flag.is_on(flags, name) and not self._secrets:
                raise flag.FlagError(
                    f"Flag '{name}' needs credentials, and there is no --credentials"
                )
        if flag.is_on(flags, "authenticate_http_frameworks"):
            flag.require(flags, "http_framework_authenticators")


def _drain(agent: dict[str, Any], asked: dict[str, Any]) -> Answer:
    """Mesos passes over what it does not know in a Duration; here it is refused."""
    grace = asked.get("max_grace_period", {"seconds": 0})
    if set(grace) != {"seconds"} or not isinstance(grace["seconds"], int):
        return Answer(400, f"max_grace_period is no Duration in seconds: {grace}")
    used = agent["used_resources"]["cpus"]
    sys.stderr.write(f"Draining {agent['hostname']}, {used:g} cpus used, {grace['seconds']} s\n")
    agent["deactivated"] = True
    agent["drain_info"] = {"state": "DRAINED", "config": {"max_grace_period": grace}}
    return Answer(200)


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    resources = told["resources"]
    nothing = dict.fromkeys(("cpus", "mem", "disk", "gpus"), 0.0)
    used = {**nothing, "cpus": told["used_cpus"]}
    return {
        "hostname": told["hostname"],
        "port": told["port"],
        "version": told["version"],
        "attributes": told["attributes"],
        "resources": resources,
        "unreserved_resources": resources,
        "used_resources": used,
        "offered_resources": nothing,
        "reserved_resources": {},
        "capabilities": ["MULTI_ROLE", "AGENT_DRAINING"],
    }


def follow_leader(master: Master, url: str) -> None:
    """Stand for election, and see who leads; without ZooKeeper the master ends, as Mesos' does."""
    zookeeper = ZooKeeper(url)
    zookeeper.contend(master.info)
    while True:
        master.leader = zookeeper.leader() or {}
        time.sleep(1)


def _follow_or_end(master: Master, url: str) -> None:
    try:
        follow_leader(master, url)
    except ZooKeeperError as error:
        sys.stderr.write(f"Lost ZooKeeper, committing suicide: {error}\n")
        os._exit(1)


def main() -> None:
    """Run until told to stop."""
    try:
        flags = flag.parse_flags(sys.argv[1:], flag.MASTER)
        if flag.is_on(flags, "version"):
            sys.stdout.write(f"mesos {VERSION}\n")
            return
        master = Master(flags)
        server = serve((flags.get("ip", "0.0.0.0"), master.port), master.answer)
    except (flag.FlagError, OSError) as error:
        flag.exit_with(str(error))
    threading.Thread(target=master.watch_agents, daemon=True).start()
    if "zk" in flags:
        master.leader = {}
        follow = threading.Thread(target=_follow_or_end, args=(master, flags["zk"]), daemon=True)
        follow.start()
    sys.stderr.write(f"Master {master.id} started on {master.address}:{master.port}\n")
    server.serve_forever()
