"""The process that starts a cluster's tasks, and leaves nothing of them.

Run by its path, with the standard library's smallest part: `python -I -S launcher.py FD ISOLATION`,
FD being a socket to the cluster, ISOLATION a name of `processes.Isolation`. Lines of JSON:

    {"start": ID, "program": P, "words": [..], "env": {..}, "directory": D, "hostname": H,
     "account": [NAME, UID, GID] or null}
    {"signal": ID, "number": N}           to the task's process group
    {"destroy": ID}                       SIGKILL to all that the task has started
                                     <-   {"ready": true}
                                     <-   {"started": ID, "pid": N} or {"failed": ID, "error": E}
                                     <-   {"ended": ID, "status": N}, below 0 for a signal

Owns how a task becomes a process, and that nothing of it is left when its end is told. It is one
small process because a start from it is all that a task costs: a millisecond, or half of it where
no fork is needed.

Where the kernel allows it, it is PID 1 of a namespace that all tasks share, with an IPC namespace
and a /dev/shm of their own. So they end with it for certain, and it ends with the cluster, whose
end is the end of the socket. The tasks share these because MPI takes process ids and shared memory
for those of one machine: ranks with a PID namespace each, but one /dev/shm, failed in MPI_Init in
one run out of four; with a /dev/shm each they need twice the time, as on hosts that are apart.

Each task has a UTS namespace, for its agent's host name. It cannot be left without privileges, so
it also tells whose a process is that has left its parent, session and environment behind. Without
namespaces, the task's sandbox in the environment tells.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys

TYPE_CHECKING = False  # as type checkers know it; importing typing takes longer than most of this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Message = dict[str, Any]

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_REC, MS_SLAVE = 1 << 14, 1 << 19
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

SHARED_MEMORY = "/dev/shm"

PICTURES = ("/tmp", "hydra_hwloc_xmlfile_")
"""Where each hydra_pmi_proxy leaves a picture of the machine if it is killed, TMPDIR or not."""

NOT_PERMITTED = 3
"""Our exit status if the kernel does not let us have such namespaces."""

LIBC = ctypes.CDLL(None, use_errno=True)


def system_call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raises OSError."""
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def enter_namespaces(*, as_user: bool) -> None:
    """Leave the machine's namespaces: this process, but for PID its children."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID
    system_call("unshare", flags | (CLONE_NEWUSER if as_user else 0))
    if as_user:
        for name, text in (
            ("setgroups", "deny"),
            # Tasks are whom they are outside; only this process is privileged in the namespaces.
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib is 10 ms
                file.write(text)


def mount_own() -> None:
    """Mount the /proc of our PID namespace, and shared memory of our own."""
    # What is mounted outside later is to be seen here, too.
    system_call("mount", b"none", b"/", None, MS_REC | MS_SLAVE, None)
    system_call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    if os.path.isdir(SHARED_MEMORY):  # noqa: PTH112
        options = (MS_NOSUID | MS_NODEV, b"mode=1777")
        system_call("mount", b"tmpfs", SHARED_MEMORY.encode(), b"tmpfs", *options)


def may_read_memory() -> bool:
    """Whether processes may read each other's memory; some container engines keep them from it."""
    both = ctypes.create_string_buffer(2)
    to, of = ((ctypes.c_size_t * 2)(ctypes.addressof(both) + at, 1) for at in (0, 1))
    try:
        system_call("process_vm_readv", os.getpid(), to, 1, of, 1, 0)
    except OSError:
        return False
    return True


def clear_pictures() -> None:
    """Remove pictures of the machine that are ours, as `proxy.sh` does, which was killed.

    Another job's may go as well: its ranks look at them while they start, and can do without.
    """
    directory, prefix = PICTURES
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with contextlib.suppress(OSError):  # somebody else has just removed it
                    if entry.stat(follow_symlinks=False).st_uid == os.getuid():
                        os.unlink(entry.path)  # noqa: PTH108


def standard_streams() -> Iterator[int]:
    """Open a task's stdin, stdout and stderr; the working directory is its sandbox."""
    output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    yield os.open(os.devnull, os.O_RDONLY)
    yield os.open("stdout", output, 0o644)
    yield os.open("stderr", output, 0o644)


class Task:
    """A task, from its start until nothing is left of it."""

    def __init__(self, message: Message, namespace: int | None) -> None:
        self.id = message["start"]
        self.marker = f"MESOS_SANDBOX={message['directory']}".encode()
        self.namespace = namespace
        """Its UTS namespace, open: the number of one that is gone would be given again."""
        self.status: int | None = None
        """Of its first process, once that has ended."""

    def has(self, pid: str) -> bool:
        """Whether a process is this task's; one that is dead, if not yet buried, is nobody's."""
        try:
            if self.namespace is not None:
                return os.path.samestat(
                    os.stat(f"/proc/{pid}/ns/uts"),  # noqa: PTH116
                    os.fstat(self.namespace),
                )
            with open(f"/proc/{pid}/environ", "rb") as environ:  # noqa: PTH123
                return self.marker in environ.read().split(b"\0")
        except OSError:  # it has just ended, or is another user's
            return False


class Launcher:
    """Starts tasks and tells their ends, until the cluster is gone."""

    def __init__(self, channel: int, *, has_namespaces: bool, outer_proc: int) -> None:
        self._channel = channel
        self._has_namespaces = has_namespaces
        self._outer_proc = outer_proc
        self._may_spawn = has_namespaces and self._outer_pid(os.getpid()) is not None
        self._tasks: dict[int, Task] = {}  # by the process id of their first process
        self._received = b""
        self._environment = dict(os.environ)
        if not may_read_memory():
            # MPICH 5 finds out by Yama's file alone, and without Yama it takes it that it may.
            self._environment["MPIR_CVAR_CH4_CMA_ENABLE"] = "0"
        self._open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._own_open_files = 2 * self._open_files[1:]  # one for each task, so the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, self._own_open_files)

    def run(self) -> None:
        """Serve the cluster."""
        children, woken = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(children, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._tell({"ready": True})
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(children, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == children:
                    os.read(children, 4096)
                    self._reap()
                elif not self._receive():
                    self._end_all()
                    return

    def _receive(self) -> bool:
        try:
            data = os.read(self._channel, 1 << 16)
        except ConnectionResetError:
            return False
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "start" in message:
                self._start(message)
            elif "signal" in message:
                self._signal(message["signal"], message["number"])
            else:
                self._destroy(message["destroy"])
        return bool(data)

    def _tell(self, message: Message) -> None:
        # The end of what can be read says the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            os.write(self._channel, json.dumps(message).encode() + b"\n")

    # --- starting ---

    def _start(self, message: Message) -> None:
        namespace = None
        try:
            if self._has_namespaces:
                # Ours as well until the next start; only tasks are ever looked at by it.
                hostname = message["hostname"].encode()
                system_call("unshare", CLONE_NEWUTS)
                system_call("sethostname", hostname, len(hostname))
                namespace = os.open("/proc/self/ns/uts", os.O_RDONLY)
            pid = self._spawn(message) or os.fork()
        except OSError as error:
            if namespace is not None:
                os.close(namespace)
            self._tell({"failed": message["start"], "error": str(error.strerror)})
            return
        if pid == 0:
            self._become(message)
        self._tasks[pid] = Task(message, namespace)

    def _spawn(self, message: Message) -> int | None:
        """Start a task's first process without a fork, at half the cost; None if it takes one.

        That is where a spawn cannot do all, or where it is to be told why a program does not start.
        """
        program = message["program"]
        if not self._may_spawn or message["account"] is not None or "/" not in program:
            return None
        opened: list[int] = []
        try:
            os.chdir(message["directory"])
            opened.extend(standard_streams())
            resource.setrlimit(resource.RLIMIT_NOFILE, self._open_files)
            pid = os.posix_spawn(
                program,
                message["words"],
                {**self._environment, **message["env"]},
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate(opened)],
                setsid=True,
                setsigdef=IGNORED_BY_PYTHON,
            )
        except OSError:
            return None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, self._own_open_files)
            for fd in opened:
                os.close(fd)
            os.chdir("/")
        self._tell({"started": message["start"], "pid": self._outer_pid(pid)})
        return pid

    def _outer_pid(self, pid: int) -> int | None:
        """The id of a process as the cluster sees it, if this kernel tells."""
        try:
            process = os.pidfd_open(pid)
            info = os.open(f"self/fdinfo/{process}", os.O_RDONLY, dir_fd=self._outer_proc)
        except OSError:
            return None
        lines = os.read(info, 4096).splitlines()
        for fd in (info, process):
            os.close(fd)
        return next((int(line[4:]) for line in lines if line.startswith(b"Pid:")), None)

    def _become(self, message: Message) -> None:
        """Become the task's first process; never returns."""
        status = 127
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, *IGNORED_BY_PYTHON):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            os.chdir(message["directory"])
            for at, fd in enumerate(standard_streams()):
                os.dup2(fd, at)
            resource.setrlimit(resource.RLIMIT_NOFILE, self._open_files)
            if message["account"] is not None:
                name, uid, gid = message["account"]
                os.initgroups(name, gid)
                os.setgid(gid)
                os.setuid(uid)
            if not self._has_namespaces:
                system_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
            # As the cluster sees it, not as our namespace does.
            pid = int(os.readlink("self", dir_fd=self._outer_proc))
            self._tell({"started": message["start"], "pid": pid})
        except OSError as error:
            self._tell({"failed": message["start"], "error": str(error)})
            os._exit(status)
        words = message["words"]
        try:
            os.execvpe(message["program"], words, {**self._environment, **message["env"]})
        except OSError as error:
            os.write(2, f"{message['program']}: {error.strerror}\n".encode())
            status = 127 if isinstance(error, FileNotFoundError | NotADirectoryError) else 126
        finally:
            os._exit(status)

    # --- ending ---

    def _signal(self, task_id: str, number: int) -> None:
        for pid, task in self._tasks.items():
            if task.id == task_id and task.status is None:
                os.killpg(pid, number)

    def _destroy(self, task_id: str) -> None:
        for task in self._tasks.values():
            if task.id == task_id:
                self._kill_all_of(task)

    def _reap(self) -> None:
        """Bury the dead, and tell the end of each task of which nothing is left."""
        self._bury()
        for pid, task in [*self._tasks.items()]:
            if task.status is None or (self._has_orphans() and self._kill_all_of(task)):
                continue  # the last of those killed becomes our child, and comes by here
            del self._tasks[pid]
            if task.namespace is not None:
                os.close(task.namespace)
            if not self._tasks:
                self._clear_shared_memory()
                clear_pictures()
            self._tell({"ended": task.id, "status": task.status})

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid in self._tasks:
                    self._tasks[pid].status = os.waitstatus_to_exitcode(status)

    def _has_orphans(self) -> bool:
        """Whether we have a child that is no task's first process.

        The first of what a task leaves behind always becomes one when the task's own processes
        have ended; so without any, nothing needs to be searched for.
        """
        pid = os.getpid()
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
                children = {int(child) for child in file.read().split()}
        except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
            return True
        return not children <= {pid for pid, task in self._tasks.items() if task.status is None}

    def _kill_all_of(self, task: Task) -> bool:
        """SIGKILL to all processes of a task; whether there was one."""
        ours = str(os.getpid())
        others = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != ours]  # noqa: PTH208
        found = {int(pid) for pid in others if task.has(pid)}
        # Before its exec the first one has our environment.
        found |= {pid for pid, it in self._tasks.items() if it is task and it.status is None}
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def _clear_shared_memory(self) -> None:
        """Remove what ranks that were killed have left there, as no task is left to want it."""
        if not self._has_namespaces or not os.path.ismount(SHARED_MEMORY):
            return
        for directory, _, files in os.walk(SHARED_MEMORY, topdown=False):
            for name in files:
                os.unlink(f"{directory}/{name}")  # noqa: PTH108
            if directory != SHARED_MEMORY:
                os.rmdir(directory)  # noqa: PTH106

    def _end_all(self) -> None:
        """The cluster is gone; with namespaces, all else goes when we go."""
        left = [] if self._has_namespaces else list(self._tasks.values())
        while left:
            left = [task for task in left if self._kill_all_of(task)]
            self._bury()
        if not self._has_namespaces:
            clear_pictures()


def main(channel: int, isolation: str) -> int:
    """Enter the namespaces, and run a launcher in them."""
    # A handler of Python's would let a task end PID 1 by SIGINT; without any it cannot.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.set_inheritable(channel, False)
    outer_proc = os.open("/proc", os.O_RDONLY)
    if isolation == "SESSION":
        system_call("prctl", PR_SET_CHILD_SUBREAPER, 1)
        Launcher(channel, has_namespaces=False, outer_proc=outer_proc).run()
        return 0
    try:
        enter_namespaces(as_user=isolation == "USER_NAMESPACES")
        pid = os.fork()
        if pid:
            os.close(channel)
            # It is dead for us only when its namespace is empty.
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            clear_pictures()
            return status & 0xFF
        system_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        mount_own()
    except OSError:
        return NOT_PERMITTED
    Launcher(channel, has_namespaces=True, outer_proc=outer_proc).run()
    return 0


if __name__ == "__main__":
    # At once: the interpreter's own clearing up takes longer than most tasks' start.
    os._exit(main(int(sys.argv[1]), sys.argv[2]))
