"""The end on a host: does what lines of JSON on stdin ask for, until they end.

Sent over ssh as text and run by the host's own python3 (3.6 or later) as root; no file of
it is on the host, and it imports nothing of mrunkit. It knows processes, sockets and
network namespaces, and nothing of labs. When stdin ends, as it does too when mrunkit is
killed, it undoes what it was told to undo.
"""

import base64
import ctypes
import http.client
import json
import os
import pwd
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from fcntl import ioctl
from pathlib import Path
from typing import Any, NoReturn

NOT_FOUND, TIMED_OUT = 127, 124
"""Statuses of a command that is not there, and of one that took too long."""

# Linux' own numbers, which socket does not name in Python 3.6.
ETH_P_ALL, PACKET_OUTGOING = 3, 4
ICMP, ESP = 1, 50
ECHO_REPLY, ECHO_REQUEST = 0, 8
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
SIOCGIFADDR, SIOCGIFMTU = 0x8915, 0x8921
CLONE_NEWNET = 0x40000000
TCP_LISTEN = "0A"

HEADERS = 28
"""Bytes of an IPv4 and an ICMP header."""
PING_INTERVAL = 0.3
LARGEST_PACKET = 65535
MOST_WAITING = 16384
"""Packets that fit into the sniffer's socket at most: 4 MiB, of which each takes 256 bytes."""
GRACE_SECONDS = 20.0
"""For what goes on when stdin ends: what is being made must be there to be removed."""


def main() -> None:
    """Answer line by line: {"do": NAME, ...} with {"answer": ...} or {"error": TEXT}."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    host = Host()
    working = threading.Thread()
    try:
        # In another thread, for an end of stdin to be seen while something goes on.
        for line in sys.stdin:
            working = threading.Thread(target=reply, args=(host, line), daemon=True)
            working.start()
    finally:
        host.begin_nothing_more()
        if working.ident is not None:
            working.join(GRACE_SECONDS)
        host.undo()
        os._exit(0)


def reply(host: "Host", line: str) -> None:
    """Answer one line."""
    answer = host.answer(json.loads(line))
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # nobody is there any more, as the end of stdin says too


def end(signal_number: int, _frame: object) -> NoReturn:
    """Make a signal an end that undoes."""
    raise SystemExit(128 + signal_number)


class Host:
    """What can be asked of this host; each method is a request by its name."""

    def __init__(self) -> None:
        self._to_undo: list[Any] = []
        self._sniffer: Any = None
        self._is_over = threading.Event()

    def answer(self, request: "dict[str, Any]") -> "dict[str, Any]":
        """Do what is asked; what the system refuses is an answer too."""
        name = request.pop("do")
        try:
            return {"answer": getattr(self, name)(**request)}
        except OSError as error:
            return {"error": f"{name}: {error}"}

    def begin_nothing_more(self) -> None:
        """Leave out all commands that have not begun."""
        self._is_over.set()

    def undo(self) -> None:
        """Undo what was asked to be undone."""
        for command in self._to_undo:
            run_one(command)

    def greet(self, interface: str) -> "dict[str, Any]":
        """Who we are here, and the address of an interface or of the default route."""
        login = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
        return {"login": login, "uid": os.getuid(), "address": own_address(interface)}

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def run(self, commands: "list[Any]", parallel: int = 8) -> "list[Any]":
        """Run commands, several at a time; their ends in the same order."""

        def unless_over(command: "dict[str, Any]") -> "dict[str, Any]":
            if self._is_over.is_set():
                return {"status": TIMED_OUT, "stdout": "", "stderr": "mrunkit is gone"}
            return run_one(command)

        with ThreadPoolExecutor(max_workers=parallel) as pool:
            return list(pool.map(unless_over, commands))

    def at_end(self, command: "dict[str, Any]") -> None:
        """Run a command when stdin has ended."""
        self._to_undo.append(command)

    def sniff(self, marker: str, addresses: "list[str]") -> None:
        """Begin to look at all packets that leave for one of these addresses."""
        self._sniffer = Sniffer(base64.b64decode(marker), set(addresses))

    def sniffed(self) -> "list[dict[str, Any]]":
        """End it: what was seen, for each pair of addresses."""
        return self._sniffer.stop()  # type: ignore[no-any-return]

    def ping(self, **request: Any) -> "dict[str, Any]":
        """Ping from within a process' network namespace; see Pinger."""
        result: dict[str, Any] = {}

        def in_namespace() -> None:
            try:
                enter_network_of(request["pid"])
                result.update(Pinger(request).result())
            except OSError as error:
                result["error"] = str(error)

        # A namespace is a thread's own, and this thread ends with the pings.
        thread = threading.Thread(target=in_namespace)
        thread.start()
        thread.join()
        return result

    def get(self, url: str, user: str, secret: str, seconds: float) -> "dict[str, Any]":
        """GET a page, without any proxy; as a user from this host's root only.

        Whoever gets the port while its server is down would be handed the secret. Nor is it
        for another host that a server points to.
        """
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        asked = urllib.request.Request(url)
        try:
            if user:
                asked, objection = asked_of_root(url)
                if objection:
                    return {"status": 0, "body": objection}
                pair = base64.b64encode(f"{user}:{secret}".encode())
                asked.add_header("Authorization", "Basic " + pair.decode())
                handlers.append(GoNowhereElse)
            opener = urllib.request.build_opener(*handlers)
            with opener.open(asked, timeout=seconds) as page:
                return {"status": page.status, "body": page.read().decode("utf-8", "replace")}
        except urllib.error.HTTPError as error:
            return {"status": error.code, "body": ""}
        except (OSError, http.client.HTTPException) as error:
            return {"status": 0, "body": str(getattr(error, "reason", error))}


class GoNowhereElse(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an answer like others."""

    def redirect_request(self, *_: Any) -> None:
        """None, and so its status is an error."""


# --- who listens ----------------------------------------------------------------------


def asked_of_root(url: str) -> "tuple[urllib.request.Request, str]":
    """The request, to an address, and why it must not be made: it is not root who listens."""
    parts = urllib.parse.urlsplit(url)
    address, port = socket.gethostbyname(parts.hostname or ""), parts.port or 80
    place = f"{address}:{port}"
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=place)))
    tcp, tcp6 = Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6")
    # Not each kernel has IPv6.
    told_v6 = tcp6.read_text() if tcp6.exists() else ""
    uids = listeners(tcp.read_text(), told_v6, (address, port))
    others = sorted(uids - {0})
    if others:
        names = ", ".join(map(name_of, others))
        return request, f"{place} is held by {names}, not by root, and was not told the secret"
    return request, "" if uids else f"nothing listens at {place}"


def listeners(tcp: str, tcp6: str, place: "tuple[str, int]") -> "set[int]":
    """The uids of who takes connections to an IPv4 address and port, at it or all.

    Takes what is in /proc/net. A socket of IPv6 takes those of IPv4 where none of IPv4 does.
    Source: Documentation/networking/proc_net_tcp.rst.
    """
    address, port = place
    own = socket.inet_aton(address)
    mapped = bytes(10) + b"\xff\xff"
    wanted = {bytes(4), own}
    wanted_v6 = {bytes(16), mapped + bytes(4), mapped + own}
    return listening(tcp, wanted, port) or listening(tcp6, wanted_v6, port)


def listening(table: str, addresses: "set[bytes]", port: int) -> "set[int]":
    """The uids of a table's sockets that listen at a port of one of these addresses."""
    uids = set()
    for line in table.splitlines()[1:]:
        _, local, _, state, _, _, _, uid = line.split()[:8]
        shown, _, shown_port = local.partition(":")
        if state == TCP_LISTEN and int(shown_port, 16) == port and in_bytes(shown) in addresses:
            uids.add(int(uid))
    return uids


def in_bytes(shown: str) -> bytes:
    """An address as the kernel shows it: each 32 bits as a number of this machine."""
    words = [int(shown[place : place + 8], 16) for place in range(0, len(shown), 8)]
    return struct.pack(f"={len(words)}I", *words)


def name_of(uid: int) -> str:
    """A user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# --- processes ------------------------------------------------------------------------


def run_one(command: "dict[str, Any]") -> "dict[str, Any]":
    """Run {words, user, timeout} in a session of its own; user "" is root."""
    words = command["words"]
    if command["user"]:
        words = ["runuser", "-u", command["user"], "--"] + words  # noqa: RUF005 - Python 3.6
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=dict(os.environ, LC_ALL="C"),
            start_new_session=True,
        )
    except OSError as error:
        said = f"{words[0]}: {error.strerror}"
        return {"status": NOT_FOUND, "stdout": "", "stderr": said}
    try:
        stdout, stderr = process.communicate(timeout=command["timeout"])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said = f"no end within {command['timeout']:g} s"
        return {"status": TIMED_OUT, "stdout": "", "stderr": said}
    return {
        "status": process.returncode,
        "stdout": stdout.decode("utf-8", "replace"),
        "stderr": stderr.decode("utf-8", "replace"),
    }


# --- addresses ------------------------------------------------------------------------


def own_address(interface: str) -> "str | None":
    """The IPv4 address of an interface; without one, of the default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            if interface:
                return interface_address(asking, interface)
            asking.connect(("192.0.2.1", 9))  # sends nothing
            return str(asking.getsockname()[0])
        except OSError:
            return None


def interface_address(asking: socket.socket, interface: str) -> str:
    """The IPv4 address of an interface. Source: netdevice(7)."""
    asked = struct.pack("256s", interface.encode()[:15])
    return socket.inet_ntoa(ioctl(asking.fileno(), SIOCGIFADDR, asked)[20:24])


def mtu_of(address: str) -> int:
    """The MTU of the interface that has an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            try:
                if interface_address(asking, interface) != address:
                    continue
            except OSError:  # it has none
                continue
            asked = struct.pack("256s", interface.encode()[:15])
            return int(struct.unpack_from("i", ioctl(asking.fileno(), SIOCGIFMTU, asked), 16)[0])
    raise OSError(f"no interface has the address {address}")


def enter_network_of(pid: int) -> None:
    """Take this thread into the network namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


# --- the wire -------------------------------------------------------------------------


class Pinger:
    """Echo requests to several addresses at once: small ones, then as large as may be.

    Takes {address, targets, marker, seconds}; address is ours, marker is in each packet.
    The large ones must not be fragmented.
    """

    def __init__(self, request: "dict[str, Any]") -> None:
        self._targets = request["targets"]
        self._marker = base64.b64decode(request["marker"])
        self._seconds = request["seconds"]
        self._mtu = mtu_of(request["address"])
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, ICMP)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        self._errors: dict[str, str] = {}

    def result(self) -> "dict[str, Any]":
        """Which targets replied to which size, and what the kernel said of others."""
        with self._socket:
            small = self._exchange(self._targets, 56)
            full = self._exchange(sorted(small), min(self._mtu, LARGEST_PACKET) - HEADERS)
        return {
            "mtu": self._mtu,
            "small": sorted(small),
            "full": sorted(full),
            "errors": self._errors,
        }

    def _exchange(self, targets: "list[str]", size: int) -> "set[str]":
        payload = self._marker.ljust(size, b"m")
        replied: set[str] = set()
        deadline = time.monotonic() + self._seconds
        sequence = 0
        while len(replied) < len(targets) and time.monotonic() < deadline:
            sequence += 1
            for target in targets:
                if target not in replied:
                    self._send(target, sequence, payload)
            replied |= self._replies(set(targets) - replied, payload)
        return replied

    def _send(self, target: str, sequence: int, payload: bytes) -> None:
        header = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, sequence)
        total = checksum(header + payload)
        header = struct.pack("!BBHHH", ECHO_REQUEST, 0, total, os.getpid() & 0xFFFF, sequence)
        try:
            self._socket.sendto(header + payload, (target, 0))
        except OSError as error:
            self._errors[target] = str(error.strerror)

    def _replies(self, waiting: "set[str]", payload: bytes) -> "set[str]":
        """Who replies within the interval; all of them end it early."""
        replied: set[str] = set()
        until = time.monotonic() + PING_INTERVAL
        while replied != waiting:
            left = until - time.monotonic()
            if left <= 0:
                break
            self._socket.settimeout(left)
            try:
                packet, sender = self._socket.recvfrom(LARGEST_PACKET)
            except socket.timeout:  # noqa: UP041 - no TimeoutError before Python 3.10
                break
            except OSError:  # an ICMP error for one that was sent
                continue
            icmp = packet[(packet[0] & 15) * 4 :]
            if icmp[0] == ECHO_REPLY and icmp[8:] == payload:
                replied.add(sender[0])
        return replied & waiting


def checksum(data: bytes) -> int:
    """Of an ICMP message. Source: RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Sniffer:
    """Counts packets to some addresses: ESP, and those in which a marker can be read.

    Only those that leave: where encrypted packets arrive, the kernel shows them once more
    as what they were before.
    """

    def __init__(self, marker: bytes, addresses: "set[str]") -> None:
        self._marker = marker
        self._addresses = addresses
        self._seen: dict[tuple[str, str], dict[str, int]] = {}
        self._is_over, self._end = os.pipe()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.setblocking(False)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> "list[dict[str, Any]]":
        """What was seen until now, for each pair of addresses."""
        os.close(self._end)
        self._thread.join()
        os.close(self._is_over)
        self._socket.close()
        return [
            dict(counts, source=source, target=target)
            for (source, target), counts in self._seen.items()
        ]

    def _look(self) -> None:
        watched: list[Any] = [self._socket, self._is_over]
        is_over = False
        while not is_over:
            ready, _, _ = select.select(watched, [], [])
            is_over = self._is_over in ready
            self._count_waiting()

    def _count_waiting(self) -> None:
        """Count the packets that wait in the socket, and no more than fit into it.

        A busy link's further packets must not keep it from ending.
        """
        for _ in range(MOST_WAITING):
            try:
                packet, link = self._socket.recvfrom(LARGEST_PACKET)
            except BlockingIOError:
                return
            if link[2] == PACKET_OUTGOING and len(packet) >= 20 and packet[0] >> 4 == 4:
                self._count(packet)

    def _count(self, packet: bytes) -> None:
        source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        if target not in self._addresses:
            return
        counts = self._seen.setdefault((source, target), {"esp": 0, "fragments": 0, "plain": 0})
        is_fragment = struct.unpack("!H", packet[6:8])[0] & 0x3FFF
        counts["esp"] += packet[9] == ESP
        counts["plain"] += self._marker in packet
        is_ours = packet[9] == ESP or self._marker in packet
        counts["fragments"] += bool(is_fragment) and is_ours


if __name__ == "__main__":
    main()
