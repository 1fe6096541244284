"""Where labs are kept: every file name, what is written there, and who may change a lab.

A lab's directory is locked by whoever brings it up or takes it down. lab.json is written
before anything of the lab is made, so that `down` knows what a cut-off `up` left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mrunkit.errors import UsageError
from mrunkit.lab import inventory
from mrunkit.lab.files import explained_state
from mrunkit.lab.keys import make_key, public_key
from mrunkit.lab.record import NAME_LABEL, LabRecord, from_json, to_json
from mrunkit.lab.request import LabError
from mrunkit.lab.seed import HostKeys

_OF_ROOT = "if sudo brought it up, run this with sudo too"


class LabDirectory:
    """The files of one lab."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inventory = path / "inventory.ini"
        self.ssh_config = path / "ssh_config"
        self._record = path / "lab.json"
        self._key = path / "key"
        self._known_hosts = path / "known_hosts"

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.path.name

    def read(self) -> LabRecord | None:
        """The lab; None if there is none. Raises LabError if its record cannot be read."""
        try:
            return from_json(self._record.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LabError(
                f"cannot read {self._record}: {error.strerror}", remedy=_OF_ROOT
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise LabError(
                f"cannot read {self._record}: {error}",
                remedy="if another version of mrunkit wrote it, use that one; if not, remove what "
                f"has the label {NAME_LABEL}={self.name}, with docker rm, docker network rm and "
                f"docker volume rm, or end qemu's {self.name}-host0 and so on; then remove "
                f"{self.path}",
            ) from error

    def write(self, lab: LabRecord) -> None:
        """Write the lab down, and how its hosts are reached, if they have a place."""
        self._put(self._record, to_json(lab))
        if not lab.hosts:
            return
        publics = {host.name: public_key(self._host_key(host.name)) for host in lab.hosts}
        paths = {"key": self._key, "known_hosts": self._known_hosts}
        self._put(self._known_hosts, inventory.known_hosts_text(lab, publics))
        self._put(self.ssh_config, inventory.ssh_config_text(lab, **paths))
        self._put(self.inventory, inventory.inventory_text(lab, **paths))

    def make_keys(self, lab: LabRecord) -> dict[str, HostKeys]:
        """Make the lab's key and its hosts' keys; each host's keys by its name."""
        with explained_state("make", self._key):
            authorized = make_key(self._key, f"mrunkit-lab-{lab.name}")
        keys = {}
        for host in lab.hosts:
            path = self._host_key(host.name)
            with explained_state("make", path):
                path.parent.mkdir(parents=True)
                public = make_key(path, host.name)
                private = path.read_text()
            keys[host.name] = HostKeys(private=private, public=public, authorized=authorized)
        return keys

    def host(self, name: str) -> Path:
        """The directory of what a host has here."""
        return self.path / "hosts" / name

    def clear(self) -> None:
        """Remove all files, the lab's record last: what is cut off here can be done again."""
        with explained_state("remove", self.path):
            for path in self.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != self._record:
                    path.unlink()
            self._record.unlink(missing_ok=True)

    def _host_key(self, name: str) -> Path:
        return self.host(name) / "ssh_host_ed25519_key"

    def _put(self, path: Path, text: str) -> None:
        new = path.with_name(path.name + ".new")
        with explained_state("write", path):
            with new.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # or it is empty after a power cut
            new.replace(path)


class Labs:
    """All labs of this account."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def directory(self, name: str) -> LabDirectory:
        """A lab's directory, which may not be there."""
        return LabDirectory(self._root / name)

    def all(self) -> list[tuple[LabDirectory, LabRecord | LabError]]:
        """All labs, by name; of one that cannot be read, why."""
        try:
            found = [LabDirectory(path) for path in sorted(self._root.iterdir())]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise LabError(
                f"cannot list {self._root}: {error.strerror}",
                remedy="set MRUNKIT_STATE_DIR to a directory of this account",
            ) from error
        return [(directory, lab) for directory in found if (lab := _read(directory)) is not None]

    def find(self, name: str) -> tuple[LabDirectory, LabRecord]:
        """The lab of this name; raises UsageError if there is none."""
        directory = self.directory(name)
        lab = directory.read()
        if lab is None:
            names = ", ".join(other.name for other, _ in self.all())
            raise UsageError(
                f"there is no lab {name}",
                remedy=f"there are: {names}"
                if names
                else f"bring it up: mrunkit lab up --name {name}",
            )
        return directory, lab

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[LabDirectory]:
        """A lab's directory, made if need be, that no other mrunkit changes meanwhile.

        Raises LabError if it cannot be made, or is another mrunkit's to change.
        """
        path = self._root / name
        lock = _made_and_opened(path)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LabError(
                    f"lab {name} is being brought up or taken down by another mrunkit",
                    remedy="wait for it, or end it with Ctrl-C",
                ) from error
            if not path.exists() or path.stat().st_ino != os.fstat(lock).st_ino:
                raise LabError(f"lab {name} has just been taken down", remedy="try again")
            try:
                yield LabDirectory(path)
            finally:
                with contextlib.suppress(OSError):
                    path.rmdir()  # if it is empty
        finally:
            os.close(lock)


def _read(directory: LabDirectory) -> LabRecord | LabError | None:
    try:
        return directory.read()
    except LabError as error:
        return error


def _made_and_opened(path: Path) -> int:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LabError(
            f"cannot make {path}: {error.strerror}",
            remedy="set MRUNKIT_STATE_DIR to a directory that this account may write to",
        ) from error
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise LabError(f"cannot open {path}: {error.strerror}", remedy=_OF_ROOT) from error
