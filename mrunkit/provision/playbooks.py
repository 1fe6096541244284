"""Running a playbook with Ansible, as a child process that tells what it does in events.

Owns how Ansible is started (ansible-runner, its environment) and ended. What the events
mean is for others to say.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrunkit.inventory import expanded
from mrunkit.local.stragglers import kill_marked, marked_processes
from mrunkit.provision.progress import Event

MARKER = "MRUNKIT_PLAYBOOK"
"""What Ansible and all its local children have in their environment."""
_PREFIX = "mrunkit-"
LONGEST_TEMPORARY = 50
"""Bytes: the prefix and 8 more come behind it, and what Ansible puts behind those."""
INTERRUPT_SECONDS = 10.0
"""For Ansible to end its workers and itself."""
VAULT_PASSWORD = "ANSIBLE_VAULT_PASSWORD_FILE"
"""Of variables that are encrypted with ansible-vault."""
POLL_SECONDS = 1
"""How often ansible-runner looks whether it has been cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRun:
    """What ansible-playbook is asked to do."""

    playbook: Path
    inventory: Path
    state_dir: Path
    is_check: bool = False
    limit: str | None = None
    tags: str | None = None
    extra_vars: tuple[str, ...] = ()
    """Words for --extra-vars."""
    forks: int | None = None
    verbosity: int = 0

    @property
    def facts_dir(self) -> Path:
        """Where Ansible keeps what it finds out about the hosts."""
        return self.state_dir / "facts"


def run_playbook(
    run: PlaybookRun, environ: Mapping[str, str], tell: Callable[[Event], None], *, marker: str
) -> int:
    """Run it to its end, and return its exit status; `tell` is called in another thread.

    Whatever ends this early (Ctrl-C, say) ends Ansible and all that it started here. What SIGKILL
    ends is left to `end_run`, with the same marker. Raises OSError where it cannot be followed.
    """
    child = _Child(tell)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_above()) as private,
        ThreadPoolExecutor(max_workers=1) as executor,
    ):
        Path(private, marker).touch()
        future = executor.submit(
            _run,
            child,
            private_data_dir=private,
            project_dir=str(run.playbook.parent),
            playbook=run.playbook.name,
            cmdline=shlex.join(arguments(run)),
            # What modules were unpacked to on this machine goes too, if they are killed.
            envvars={**environment(run, environ), "TMPDIR": private, MARKER: marker},
        )
        try:
            return future.result()
        except BaseException:
            # Also if it was ansible-runner that failed, by a full disk for one.
            try:
                child.end(future)
            finally:
                kill_marked(f"{MARKER}={marker}")
            raise


def end_run(marker: str) -> bool:
    """End a playbook whose mrunkit was killed, and remove its files; whether it was at work."""
    mark = f"{MARKER}={marker}"
    is_at_work = bool(list(marked_processes(mark)))
    kill_marked(mark)
    for file in Path(_above()).glob(f"{_PREFIX}*/{marker}"):
        shutil.rmtree(file.parent, ignore_errors=True)
    return is_at_work


def _above() -> str:
    """Where temporary files go; newer Ansibles make sockets there, whose paths hold 107 bytes."""
    directory = tempfile.gettempdir()
    return directory if len(os.fsencode(directory)) <= LONGEST_TEMPORARY else "/tmp"


def arguments(run: PlaybookRun) -> list[str]:
    """Of ansible-playbook, besides the playbook."""
    words = ["--inventory", str(run.inventory.absolute())]
    words += ["--check"] if run.is_check else []
    words += ["--limit", _from_here(run.limit)] if run.limit is not None else []
    words += ["--tags", run.tags] if run.tags is not None else []
    words += ["--forks", str(run.forks)] if run.forks is not None else []
    words += [f"-{'v' * run.verbosity}"] if run.verbosity else []
    # Last, so that it wins: the user's may be relative to the inventory; Ansible starts elsewhere.
    state_dir = json.dumps({"lab_state_dir": str(run.state_dir)})
    for text in (*run.extra_vars, state_dir):
        words += ["--extra-vars", _from_here(text)]
    return words


def _from_here(text: str) -> str:
    """@FILE as one of the user's directory: Ansible starts in the playbook's."""
    file = text.removeprefix("@")
    return text if file == text else f"@{Path(file).absolute()}"


def environment(run: PlaybookRun, environ: Mapping[str, str]) -> dict[str, str]:
    """What Ansible gets besides the user's environment, which has the ssh agent, say."""
    beside = str(Path(sys.executable).parent)
    password = environ.get(VAULT_PASSWORD)
    return {
        **({VAULT_PASSWORD: str(expanded(password).absolute())} if password else {}),
        "PATH": os.pathsep.join([beside, environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",  # Ansible refuses any other encoding
        "ANSIBLE_CONFIG": str(run.playbook.parent / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        # ansible-runner switches this off unless it is set.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(run.facts_dir),
    }


class _Child:
    """Ansible's process, as far as its events tell of it."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self.is_cancelled = threading.Event()
        self._tell = tell
        self._pid: int | None = None

    def handle(self, event: Event) -> bool:
        """Take an event; ansible-runner need not keep it."""
        # Its warnings come before it has one.
        self._pid = event.get("pid", self._pid)
        self._tell(event)
        return False

    def end(self, future: Future[int]) -> None:
        """End Ansible as Ctrl-C in its own terminal would; harder if that does not help."""
        try:
            if self._pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._pid, signal.SIGINT)
                wait([future], timeout=INTERRUPT_SECONDS)
        finally:
            self.is_cancelled.set()


def _run(child: _Child, **options: Any) -> int:
    import ansible_runner

    ended = ansible_runner.run(
        **options,
        event_handler=child.handle,
        cancel_callback=child.is_cancelled.is_set,
        settings={"pexpect_timeout": POLL_SECONDS},
        suppress_env_files=True,
        # Else ansible-runner has a cache of its own, in the directory that is removed.
        fact_cache_type="",
        quiet=True,
    )
    return int(ended.rc)
