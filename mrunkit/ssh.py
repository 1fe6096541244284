"""Commands on other hosts, over ssh (fabric). Host keys are verified, always."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mrunkit.errors import MrunkitError
from mrunkit.inventory import Host, expanded
from mrunkit.known_hosts import known_host

if TYPE_CHECKING:
    import fabric
    import paramiko

CONNECT_SECONDS = 15.0
LOGIN_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further try where sshd hangs up: from 10 logins at once on it turns some away
(MaxStartups), as happens on a host through which all others are reached."""
CLOSE_SECONDS = 15.0
STALLED_SECONDS = 300.0
"""Without any progress, after which a host that is sent an image counts as lost."""


class SshError(MrunkitError):
    """A host cannot be reached, or was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


class Remote(Protocol):
    """A host that takes commands."""

    def run(
        self, command: str, feed: Iterable[bytes] = (), *, patience: float = STALLED_SECONDS
    ) -> Completed:
        """Run a shell command to its end, with this on its stdin; raises SshError.

        `patience`: seconds without any progress, after which the host counts as lost.
        """

    def close(self) -> None:
        """End the connection: a run() in another thread raises SshError."""


class Conversation(Protocol):
    """A program on a host that answers lines with lines."""

    def ask(self, line: str, *, timeout: float) -> str:
        """Send a line and wait for the answer's; raises SshError."""

    def close(self) -> None:
        """Close the program's stdin and wait a little for its end."""


class SshRemote:
    """A host over ssh; implements Remote."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def run(
        self, command: str, feed: Iterable[bytes] = (), *, patience: float = STALLED_SECONDS
    ) -> Completed:
        """Run a shell command to its end, with this on its stdin; raises SshError.

        `patience`: seconds without any progress, after which the host counts as lost.
        """
        import paramiko

        try:
            channel = self._transport.open_session(timeout=CONNECT_SECONDS)
            with contextlib.closing(channel):
                channel.settimeout(patience)
                channel.exec_command(command)
                for piece in feed:
                    if not _send(channel, piece):
                        break
                else:
                    channel.shutdown_write()
                stdout = channel.makefile("rb").read()
                stderr = channel.makefile_stderr("rb").read()
                status = channel.recv_exit_status()
        except TimeoutError as error:
            raise SshError(
                f"no answer within {patience:g} s",
                remedy="log in and see what hangs there: Docker, a file system, the login itself",
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise SshError(f"lost the connection: {error}") from error
        if status < 0:
            raise SshError("lost the connection")
        return Completed(
            status=status,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        )

    def converse(self, command: str) -> SshConversation:
        """Start a shell command to talk with; raises SshError."""
        import paramiko

        try:
            channel = self._transport.open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise SshError(f"lost the connection: {error}") from error
        return SshConversation(channel)

    def close(self) -> None:
        """End the connection: a run() in another thread raises SshError."""
        self._transport.close()


class SshConversation:
    """A program on a host over ssh; implements Conversation."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._answers = channel.makefile("rb")

    def ask(self, line: str, *, timeout: float) -> str:
        """Send a line and wait for the answer's; raises SshError."""
        self._channel.settimeout(timeout)
        try:
            is_sent = _send(self._channel, line.encode() + b"\n")
            answer = self._answers.readline() if is_sent else b""
        except TimeoutError as error:
            raise SshError(f"no answer within {timeout:g} s") from error
        except (OSError, EOFError) as error:
            raise SshError(f"lost the connection: {error}") from error
        if not answer.endswith(b"\n"):
            raise SshError(self._last_words())
        return str(answer.decode(errors="replace"))

    def _last_words(self) -> str:
        try:
            said = self._channel.makefile_stderr("rb").read().decode(errors="replace").strip()
        except OSError:
            said = ""
        return said.rpartition("\n")[2] or "lost the connection"

    def close(self) -> None:
        """Close the program's stdin and wait a little for its end."""
        self._channel.settimeout(CLOSE_SECONDS)
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()
            self._answers.read()
        self._channel.close()


def _send(channel: paramiko.Channel, piece: bytes) -> bool:
    """Send all of it; False if the command has ended, which says why on stderr."""
    try:
        channel.sendall(piece)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True


@contextlib.contextmanager
def connected(host: Host) -> Iterator[SshRemote]:
    """Log in to a host, as the inventory and ~/.ssh/config say; raises SshError."""
    import paramiko

    # It logs what it then raises.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    try:
        connection = _connection(host)
    except (paramiko.SSHException, OSError, ValueError) as error:
        raise SshError(
            f"cannot tell how to reach {host.address}: {_reason(error)}",
            remedy="correct ansible_host and ansible_ssh_common_args in the inventory, or "
            "~/.ssh/config",
        ) from error
    try:
        try:
            open_patiently(connection.open, time.sleep)
        # ValueError: of a name that cannot be one, and of a key that is damaged.
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise login_error(error, _reached_last(connection)) from error
        yield SshRemote(connection.transport)
    finally:
        connection.close()


def open_patiently(open_once: Callable[[], object], sleep: Callable[[float], object]) -> None:
    """Open a connection, again where sshd hangs up before it has said who it is."""
    for pause in LOGIN_PAUSES:
        try:
            open_once()
            return
        except Exception as error:
            if not _is_hang_up(error):
                raise
        # Those that were turned away together shall not come back together.
        sleep(pause * random.uniform(0.5, 1.5))
    open_once()


def _is_hang_up(error: Exception) -> bool:
    is_reset = isinstance(error, ConnectionResetError | EOFError)
    return is_reset or "Error reading SSH protocol banner" in str(error)


def _connection(host: Host) -> fabric.Connection:
    import fabric

    config = fabric.Config(runtime_ssh_path=host.config_file)
    keys = {} if host.key_file is None else {"key_filename": host.key_file}
    gateway = None
    for hop in host.jump.split(",") if host.jump else ():
        gateway = fabric.Connection(hop, config=config, gateway=gateway, connect_kwargs=keys)
    connection = fabric.Connection(
        host.address,
        user=host.user,
        port=host.port,
        config=config,
        gateway=gateway,
        connect_timeout=CONNECT_SECONDS,
        connect_kwargs=keys,
    )
    if gateway is None and host.proxy_command is not None:
        connection.gateway = proxy_command(
            host.proxy_command, connection.host, connection.port, connection.user
        )
    hop = connection
    while isinstance(hop, fabric.Connection):
        _trust_known_hosts_only(hop, host.known_hosts)
        hop = hop.gateway
    return connection


def proxy_command(text: str, host: str, port: int, user: str) -> str:
    """A ProxyCommand with its signs filled in; fabric itself takes 22 for any port."""
    signs = {"%h": host, "%p": str(port), "%r": user}
    return re.sub("%[hpr]", lambda found: signs[found[0]], text)


def _reached_last(connection: fabric.Connection) -> fabric.Connection:
    """The host on the way at which a login failed: itself, or one that it is reached through."""
    hop = connection
    while hop.gateway is not None and not isinstance(hop.gateway, str):
        if hop.gateway.is_connected:
            break
        hop = hop.gateway
    return hop


def _trust_known_hosts_only(
    connection: fabric.Connection, known_hosts: tuple[str, ...] | None
) -> None:
    """fabric would take any key of a host it does not know, and looks into no file."""
    files = ["/etc/ssh/ssh_known_hosts"]
    configured = connection.ssh_config.get("userknownhostsfile", "~/.ssh/known_hosts").split()
    files += configured if known_hosts is None else known_hosts
    known = known_host(map(expanded, files), connection.host, connection.port)
    connection.client.set_missing_host_key_policy(known)
    connection.connect_kwargs = {
        **connection.connect_kwargs,
        "transport_factory": known.transport,
    }


def login_error(error: Exception, connection: fabric.Connection) -> SshError:
    """What is said of an error while logging in, and what to do."""
    import paramiko

    where = f"{connection.user}@{connection.host} port {connection.port}"
    login = f"ssh -p {connection.port} {connection.user}@{connection.host}"
    if isinstance(error, paramiko.BadHostKeyException):
        return SshError(
            f"the host key of {where} is not the one that known_hosts has",
            remedy="if it was installed anew, remove the old key with ssh-keygen -R; "
            "else somebody may be in between",
        )
    if "revoked in known_hosts" in str(error):
        return SshError(
            f"the host key of {where} is one that known_hosts calls revoked",
            remedy="have the host make new keys; whoever has the old one can pass for it",
        )
    if "not found in known_hosts" in str(error):
        return SshError(
            f"the host key of {where} is not known",
            remedy=f"log in once and compare the fingerprint: {login}",
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return SshError(
            f"the key for {where} has a passphrase", remedy="give it to the agent: ssh-add"
        )
    if isinstance(error, paramiko.AuthenticationException):
        return SshError(
            f"{where} takes none of our keys",
            remedy="name the right one in the inventory (ansible_ssh_private_key_file), "
            "or bring ours there: ssh-copy-id",
        )
    if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
        return SshError(
            f"cannot log in to {where}: {_reason(error)}",
            remedy="correct ansible_ssh_private_key_file in the inventory, or ~/.ssh/config",
        )
    if "No existing session" in str(error):  # paramiko's word when its time is over
        return SshError(
            f"{where} takes the connection and says nothing for {CONNECT_SECONDS:g} s",
            remedy=f"does sshd hang there, or listen at another port? try: {login}",
        )
    return SshError(f"cannot reach {where}: {_reason(error)}", remedy=f"try: {login}")


def _reason(error: Exception) -> str:
    """What went wrong, without Python's numbers."""
    import paramiko

    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        # One for each address of the name.
        return _reason(next(iter(error.errors.values())))
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
