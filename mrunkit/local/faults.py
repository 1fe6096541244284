"""Faults to inject into an embedded cluster, for tests of what has to survive them.

Owns nothing but the switches; the parts that misbehave do it themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrunkit.local.agent import Agent
    from mrunkit.local.cluster import LocalCluster


class Faults:
    """What can go wrong, by name. Agents are named by their host name, such as "host2"."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self.is_unavailable = False
        """Answer every request with 503, as a master that is recovering does."""

    def lose_agent(self, hostname: str, *, tasks_survive: bool = False) -> None:
        """Lose the connection to an agent; unless its tasks survive, its host is dead."""
        agent = self._agent(hostname)
        agent.is_connected = False
        if not tasks_survive:
            agent.crash()
        self._cluster.agent_disconnected(agent.host.agent_id)

    def return_agent(self, hostname: str) -> None:
        """Bring a lost agent back."""
        agent = self._agent(hostname)
        agent.is_connected = True
        self._cluster.agent_returned(agent)

    def rescind_offers(self) -> None:
        """Take back every offer that is out."""
        self._cluster.rescind_offers()

    def drop_streams(self) -> None:
        """Break the connection of every framework's stream."""
        for stream_id in self._cluster.stream_ids():
            self._cluster.abort_stream(stream_id)

    def silence_heartbeats(self) -> None:
        """Send no more heartbeats on the streams there are."""
        for stream_id in self._cluster.stream_ids():
            self._cluster.silence(stream_id)

    def delay_starts(self, hostname: str, seconds: float) -> None:
        """Let every task that is launched on an agent from now on start later."""
        self._agent(hostname).start_fault.delay = seconds

    def fail_starts(self, hostname: str, message: str | None) -> None:
        """Let every start on an agent fail with this message; None ends it."""
        self._agent(hostname).start_fault.failure = message

    def kill_executor(self, task_id: str) -> None:
        """Kill the executor of a task, and the task with it."""
        for agent in self._cluster.agents:
            agent.kill_executor(task_id)

    def _agent(self, hostname: str) -> Agent:
        for agent in self._cluster.agents:
            if agent.host.hostname == hostname:
                return agent
        raise KeyError(hostname)
