"""Reading a master's state over HTTP: its version, and what its agents have.

On the standard library's client: two requests per job are not worth 0.2 s of imports.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mrunkit.errors import MrunkitError
from mrunkit.mesos.address import HostPort, MasterUnreachableError
from mrunkit.mesos.wire import FrameworkSpec, parse_agents
from mrunkit.scheduler.events import CapacityReported
from mrunkit.scheduler.offers import Agent

TIMEOUT_SECONDS = 5.0


class MasterNotReadyError(MasterUnreachableError):
    """A master answers that it is still recovering, as it does after its start."""


class MasterRefusedError(MrunkitError):
    """A master answers, and will not have us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to the master; sent as HTTP basic authentication."""

    principal: str
    secret: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        pair = f"{self.principal}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One master, asked directly. Its methods block; call them off the event loop."""

    master: HostPort
    credentials: Credentials | None = None

    def version(self) -> str:
        """Mesos' version; raises MasterUnreachableError if this is no Mesos master."""
        version = self._get("/version").get("version")
        if not isinstance(version, str):
            raise self._not_a_master()
        return version

    def agents(self, *, role: str = "*") -> tuple[Agent, ...] | None:
        """All agents that are to get tasks, with what they have in all for a role.

        None if the master itself does not know them all yet.
        """
        return parse_agents(self._get("/slaves"), role=role)

    def capacity(self, framework: FrameworkSpec) -> CapacityReported | None:
        """What the master could offer to a framework in all; None if it does not know yet."""
        agents = self.agents(role=framework.role)
        if agents is None:
            return None
        with_gpus = tuple(agent for agent in agents if agent.available.gpus)
        if framework.uses_gpus or not with_gpus or not self._keeps_gpus():
            return CapacityReported(agents=agents)
        others = tuple(agent for agent in agents if not agent.available.gpus)
        return CapacityReported(agents=others, kept_for_gpus=with_gpus)

    def _keeps_gpus(self) -> bool:
        """Whether agents with GPUs are offered only to frameworks that want some.

        As masters do unless told otherwise (`--filter_gpu_resources`). False if this one does not
        say, as its flags may be nobody's business: then the offers will tell.
        """
        try:
            flags = self._get("/flags").get("flags")
        except MrunkitError:
            return False
        return isinstance(flags, dict) and flags.get("filter_gpu_resources") == "true"

    def _get(self, path: str, *, redirects: int = 2) -> dict[str, Any]:
        """One JSON object, from this master or the leader it points to."""
        connection = http.client.HTTPConnection(
            self.master.host, self.master.port, timeout=TIMEOUT_SECONDS
        )
        headers = {"Authorization": self.credentials.header} if self.credentials else {}
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()
        location = response.headers.get("Location")
        if response.status == http.client.TEMPORARY_REDIRECT and location and redirects:
            return Operator(
                master=redirect_target(location, self.master), credentials=self.credentials
            )._get(path, redirects=redirects - 1)
        if response.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            raise refusal(self.master, response.status)
        if response.status == http.client.SERVICE_UNAVAILABLE:
            raise MasterNotReadyError(f"the master at {self.master} is not ready yet")
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise self._not_a_master() from error
        if response.status != http.client.OK or not isinstance(answer, dict):
            raise self._not_a_master()
        return answer

    def _unreachable(self, error: Exception) -> MasterUnreachableError:
        master = self.master
        if isinstance(error, socket.gaierror | UnicodeError):  # as no name has two dots in a row
            return MasterUnreachableError(
                f"the master's host {master.host!r} is unknown",
                remedy="check its spelling, or give its address",
            )
        if isinstance(error, ConnectionRefusedError):
            return MasterUnreachableError(
                f"nothing listens at {master}",
                remedy="check that mesos-master runs there, and its port",
            )
        if isinstance(error, TimeoutError):
            return MasterUnreachableError(
                f"{master} does not answer within {TIMEOUT_SECONDS:g} s",
                remedy="check that the host is up and that no firewall is in between",
            )
        if isinstance(error, http.client.HTTPException):
            return self._not_a_master()
        return MasterUnreachableError(f"cannot reach the master at {master}: {error}")

    def _not_a_master(self) -> MasterUnreachableError:
        return MasterUnreachableError(
            f"what answers at {self.master} is not a Mesos master",
            remedy=f"check the port: a master's own is 5050, not {self.master.port}"
            if self.master.port != 5050
            else None,
        )


def refusal(master: HostPort, status: int) -> MasterRefusedError:
    """The error for 401 and 403."""
    what, remedy = "does not know us", "give the right --principal and --secret-file"
    if status != http.client.UNAUTHORIZED:
        what = "does not allow this"
        remedy += "; `mrunkit local` takes calls of its own account only"
    return MasterRefusedError(f"the master at {master} {what} (HTTP {status})", remedy=remedy)


def redirect_target(location: str, origin: HostPort) -> HostPort:
    """Where a redirect points to; masters send `//HOST:PORT` without a scheme.

    One that makes no sense points to where it came from.
    """
    try:
        parts = urlsplit(location if "//" in location else f"//{location}")
        return HostPort(host=parts.hostname or origin.host, port=parts.port or origin.port)
    except ValueError:  # a port such as 99999, half a bracket
        return origin
