"""What holds for the whole lab: the variables of the role `lab`, each of its type.

What is wrong with them is collected, for all of it to be told at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any

from mrunkit.inventory import is_template

PREFIX = "lab_"
PER_HOST = ("lab_address", "lab_interface")
"""Those of the lab's variables that hosts may differ in."""
STATE_DIR = ".mrunkit"
"""Beside the inventory, unless it says otherwise."""
OF_SYSTEM = {"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"}
"""Directories of / in which no share may be."""
FOR_MORE = {"home", "media", "mnt", "opt", "root", "srv", "tmp", "var"}
"""Those that it may not be as a whole: all may write in it, and it hides what clients have."""
_TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0"}
"""In YAML's and Ansible's spellings, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """One value each for all hosts."""

    share: str
    """The directory that all hosts have in common."""
    network: str
    network_is_encrypted: bool
    subnet: IPv4Network
    image: str | None
    """That jobs run in; None: on the hosts themselves."""
    master_port: int
    principal: str | None
    """None: Mesos asks nobody who they are."""
    user: str | None
    """Whom jobs belong to; None: whom ssh logs in as."""
    state_dir: Path
    """Secrets, facts and logs, on this machine."""

    @property
    def secret_file(self) -> Path:
        """Where the principal's secret is, once there has been a bootstrap."""
        return self.state_dir / "mesos-secret"


def parse_settings(variables: Variables, directory: Path) -> LabSettings:
    """Take the lab's settings from its variables, which collect what is wrong.

    `directory` is what Ansible calls inventory_dir.
    """
    has_authentication = variables.flag("lab_mesos_authentication")
    return LabSettings(
        share=variables.share("lab_share"),
        network=variables.text("lab_network"),
        network_is_encrypted=variables.flag("lab_network_is_encrypted"),
        subnet=variables.subnet("lab_network_subnet"),
        image=variables.text("lab_image") or None,
        master_port=variables.port("lab_master_port"),
        principal=variables.text("lab_mesos_principal") if has_authentication else None,
        user=variables.text("lab_user") or None,
        state_dir=directory / variables.directory("lab_state_dir"),
    )


class Variables:
    """Values by name, as the hosts have them, else as the defaults do."""

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]) -> None:
        self._hosts = hosts
        self._defaults = {**defaults, "lab_state_dir": STATE_DIR}
        self.problems: list[str] = [*self._unknown()]

    def text(self, name: str) -> str:
        """A value as it is written, which must be the same for all hosts."""
        default = self._defaults[name]
        values = {host: variables.get(name, default) for host, variables in self._hosts.items()}
        hosts_by_value: dict[str, str] = {}
        for host, value in values.items():
            if isinstance(value, dict | list):
                told = "an encrypted one" if "__ansible_vault" in value else value
                self.problems.append(f"{name} must be a plain value, not {told}")
                return str(default)
            hosts_by_value.setdefault("" if value is None else str(value), host)
        if len(hosts_by_value) > 1:
            told = " and ".join(f"{v or 'empty'} for {h}" for v, h in hosts_by_value.items())
            self.problems.append(f"{name} is {told}: set it once, in [all:vars]")
        text = next(iter(hosts_by_value), str(default))
        if is_template(text):
            self.problems.append(f"{name} is a template, {text}: write its value")
        return text

    def flag(self, name: str) -> bool:
        """A truth value, in any of YAML's and Ansible's spellings."""
        text = self.text(name).lower()
        if text not in _TRUE | FALSE:
            self.problems.append(f"{name} must be true or false, not {text or 'empty'}")
        return text in _TRUE

    def port(self, name: str) -> int:
        """The number of a TCP port."""
        text = self.text(name)
        if not (text.isdecimal() and 0 < int(text) < 65536):
            self.problems.append(f"{name} must be a port number, not {text or 'empty'}")
            return 0
        return int(text)

    def share(self, name: str) -> str:
        """An absolute path on the hosts, of a directory that may be the lab's alone."""
        text = self.text(name)
        path = PurePosixPath("/" + text.strip("/"))
        if not text.startswith("/"):
            self.problems.append(f"{name} must be an absolute path, not {text or 'empty'}")
        elif ".." in path.parts or _is_of_system(path):
            self.problems.append(
                f"{name} must be a directory of the lab's own, such as /share or /srv/share,"
                f" not {text}"
            )
        return str(path)

    def directory(self, name: str) -> Path:
        """A directory on this machine."""
        text = self.text(name)
        try:
            return Path(text).expanduser()
        except RuntimeError:
            self.problems.append(f"{name} is {text}, and nobody here has this home directory")
            return Path(text)

    def subnet(self, name: str) -> IPv4Network:
        """A network in CIDR notation."""
        text = self.text(name)
        try:
            return IPv4Network(text)
        except ValueError as error:
            self.problems.append(f"{name} must be like 10.0.9.0/24: {error}")
            return IPv4Network(0)

    def _unknown(self) -> Iterator[str]:
        """A misspelt name would silently leave a default in force."""
        known = {*self._defaults, *PER_HOST}
        used = dict.fromkeys(name for variables in self._hosts.values() for name in variables)
        for name in used:
            if name.startswith(PREFIX) and name not in known:
                likely = difflib.get_close_matches(name, known, n=1)
                meant = f"; {likely[0]}?" if likely else ""
                yield f"there is no variable {name}{meant}"


def _is_of_system(path: PurePosixPath) -> bool:
    first, *more = (*path.parts[1:], "")
    return first in OF_SYSTEM or not first or (first in FOR_MORE and more == [""])
