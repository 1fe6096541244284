"""One connection to each host of a lab, and many questions to all of them at once.

Owns connections, threads and who was lost. A host that is lost stays lost, and every
later answer says so: what cannot be seen of a host counts as a fault.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import selectors
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Generic, TypeVar

from mrunkit.errors import MrunkitError
from mrunkit.in_threads import in_threads
from mrunkit.inventory import Host
from mrunkit.provision.doctor.verdicts import Problem
from mrunkit.ssh import Completed, Conversation, SshError, connected

LOGINS_AT_A_TIME = 32
"""These cost us something; answers are only waited for, so all hosts are asked at once."""
FILES_PER_HOST = 4
"""A connection, one to the ssh agent for it, and both again for a host to go through."""
OTHER_FILES = 128
"""A login's modules, and what is open anyway."""
ANSWER_SECONDS = 60.0
"""For an answer that needs no waiting there."""
LOADER = "import json, sys; exec(json.loads(sys.stdin.readline()))"
_NO_PYTHON = re.compile(r"python\S*: .*(not found|No such file or directory)")
"""In the words of sudo, dash and bash."""

T = TypeVar("T")


class ProbeError(MrunkitError):
    """A host refused what a check needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command for a host; status 127 if it is not there, 124 if it takes too long."""

    words: tuple[str, ...]
    user: str = ""
    """Empty: root."""
    timeout: float = 20.0

    def to_json(self) -> dict[str, Any]:
        """As the probe takes it."""
        return {"words": self.words, "user": self.user, "timeout": self.timeout}


class Probe:
    """The other end of a conversation, asked by name; `probe.py` says what there is."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._greeting = f"{json.dumps(_source())}\n"

    def ask(self, do: str, *, timeout: float = ANSWER_SECONDS, **arguments: Any) -> Any:
        """One answer; raises SshError if the host is lost, ProbeError if it refuses."""
        request = self._greeting + json.dumps({"do": do, **arguments})
        self._greeting = ""
        try:
            answer = json.loads(self._conversation.ask(request, timeout=timeout))
        except ValueError as error:
            raise SshError("what answers is not the probe: does a login there print?") from error
        if "error" in answer:
            raise ProbeError(answer["error"])
        return answer["answer"]

    def run(self, commands: Iterable[Command], *, parallel: int = 8) -> list[Completed]:
        """Run commands there, several at a time; their ends in the same order."""
        sent = list(commands)
        turns = -(-len(sent) // parallel)
        longest = max((command.timeout for command in sent), default=0.0)
        ended = self.ask(
            "run",
            commands=[command.to_json() for command in sent],
            parallel=parallel,
            timeout=ANSWER_SECONDS + turns * longest,
        )
        return [Completed(**one) for one in ended]

    def close(self) -> None:
        """Let it undo what it has to, and end."""
        self._conversation.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers(Generic[T]):
    """What hosts answered, and why others did not."""

    by_host: dict[str, T] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Hosts:
    """The hosts of a lab; use it in a with statement."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._hosts = {host.name: host for host in hosts}
        self._probes: dict[str, Probe] = {}
        self._lost: dict[str, MrunkitError] = {}
        self._running = ExitStack()
        self._remotes: list[Callable[[], None]] = []

    def __enter__(self) -> Hosts:
        """Log in to all hosts; those that cannot be reached are lost."""
        allow_open_files(files_needed(len(self._hosts)))
        try:
            self._in_parallel(self._hosts, self._start, at_a_time=LOGINS_AT_A_TIME)
        except BaseException:
            self._cut()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let all probes undo what they have to; on Ctrl-C do not wait for it."""
        if kind is not None:
            self._cut()
        with contextlib.suppress(MrunkitError):
            self._in_parallel(self._probes, lambda name: self._probes[name].close())
        self._cut()

    def ask(
        self,
        question: Callable[[str, Probe], T],
        of: Iterable[str] | None = None,
        *,
        at_a_time: int | None = None,
    ) -> Answers[T]:
        """Ask hosts the same, all at once if not told; the question gets name and probe."""
        asked = list(self._hosts if of is None else of)
        answers: Answers[T] = Answers()

        def one(name: str) -> tuple[T | None, Problem | None]:
            if name in self._lost:
                return None, _lost_problem(name)
            try:
                return question(name, self._probes[name]), None
            except SshError as error:
                self._lost[name] = error
                return None, _refusal(name, error)
            except ProbeError as error:
                return None, _refusal(name, error)

        told = self._in_parallel(asked, one, at_a_time=at_a_time)
        for name, (answer, problem) in zip(asked, told, strict=True):
            if problem is not None:
                answers.problems.append(problem)
            else:
                answers.by_host[name] = answer  # type: ignore[assignment] # there is one
        return answers

    def login_problems(self) -> list[Problem]:
        """Why hosts could not be reached, once they have been tried."""
        return [_refusal(name, self._lost[name]) for name in self._hosts if name in self._lost]

    def _start(self, name: str) -> None:
        host = self._hosts[name]
        try:
            self._probes[name] = Probe(self._converse(host))
            self._probes[name].ask("now")
        except MrunkitError as error:
            self._lost[name] = explain_login(error, host)

    def _converse(self, host: Host) -> Conversation:
        if host.is_here:
            return HereConversation(probe_command())
        with ExitStack() as stack:
            remote = stack.enter_context(connected(host))
            conversation = remote.converse(probe_command())
            self._remotes.append(remote.close)
            self._running.push(stack.pop_all())
        return conversation

    def _in_parallel(
        self, names: Iterable[str], function: Callable[[str], T], *, at_a_time: int | None = None
    ) -> list[T]:
        todo = list(names)
        at_a_time = at_a_time or max(len(todo), 1)
        return in_threads(function, todo, at_a_time=at_a_time, interrupt=self._cut)

    def _cut(self) -> None:
        """End all connections, at which probes undo what they have to."""
        for close in self._remotes:
            close()
        self._running.close()


def files_needed(hosts: int) -> int:
    """How many files this process may have open at once when all hosts are logged in to."""
    return FILES_PER_HOST * hosts + OTHER_FILES


def allow_open_files(needed: int) -> None:
    """Raise this process' limit of open files as far as it may be; 1,024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class HereConversation:
    """The probe on this machine; implements Conversation."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )

    def ask(self, line: str, *, timeout: float) -> str:
        """Send a line and wait for the answer's; raises SshError."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        answer = b""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                if not waiting.select(deadline - time.monotonic()):
                    raise SshError(f"no answer within {timeout:g} s")
                piece = os.read(process.stdout.fileno(), 1 << 16)
                if not piece:
                    said = process.stderr.read().decode(errors="replace").strip()
                    raise SshError(said.rpartition("\n")[2] or "the probe has ended")
                answer += piece
        return answer.decode(errors="replace")

    def close(self) -> None:
        """Close the probe's stdin and wait for its end."""
        self._process.communicate()


def probe_command() -> str:
    """The shell command that starts the probe as root; its text is the first line it reads."""
    loader = shlex.quote(LOADER)
    script = (
        "python=$(command -v python3 || echo /usr/libexec/platform-python); "
        f'if [ "$(id -u)" = 0 ]; then exec "$python" -c {loader}; fi; '
        f'exec sudo -n "$python" -c {loader}'
    )
    return f"exec /bin/sh -c {shlex.quote(script)}"


def _source() -> str:
    return resources.files("mrunkit.provision.doctor").joinpath("probe.py").read_text()


def explain_login(error: MrunkitError, host: Host) -> MrunkitError:
    """Why a probe could not be started, with what to do where that is known."""
    said = str(error)
    # First, since it is sudo that looks for Python where one is not root.
    if _NO_PYTHON.search(said):
        return SshError(f"no python3: {said}", remedy="install python3 there")
    if "sudo:" in said:
        return SshError(
            f"cannot become root: {said}",
            remedy="let the user that ssh logs in as use sudo without a password "
            f"(try: ssh {host.address} sudo -n true)",
        )
    return error


def _refusal(name: str, error: MrunkitError) -> Problem:
    return Problem(what=str(error), remedy=error.remedy or f"log in to {name} and see", host=name)


def _lost_problem(name: str) -> Problem:
    return Problem(what="not seen, as it is not reached", remedy="see login", host=name)
