"""Hosts from an Ansible inventory, as ansible-inventory tells them.

Ansible itself reads the file, so all that it understands (ranges, groups, variables, YAML)
means the same here. It runs as a command: its start costs a second, and its licence is not
ours to import.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrunkit.errors import MrunkitError

Listing = Mapping[str, Any]
"""What `ansible-inventory --list` prints."""

ADDRESS = ("ansible_ssh_host", "ansible_host")
USER = ("ansible_ssh_user", "ansible_user")
PORT = ("ansible_ssh_port", "ansible_port")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
"""Names that Ansible has for one thing; where there are both, its ssh takes the first."""
SSH_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
SSH_VARIABLES = (*ADDRESS, *USER, *PORT, *KEY_FILE, *SSH_ARGUMENTS)
CONFIG_FILE = "-F"
_OPTION_OF_FLAG = {
    "-F": CONFIG_FILE,
    "-J": "proxyjump",
    "-i": "identityfile",
    "-l": "user",
    "-p": "port",
}
_SINGLE_WORDS = {"identityfile", "user", "port"}
"""Options whose values may be quoted once more, for ssh itself."""

NO_VAULT_SECRETS = "no vault secrets found"
"""Ansible's words for a password that it has not."""
VAULT_REMEDY = "name the file with the password: ANSIBLE_VAULT_PASSWORD_FILE=FILE mrunkit ..."
PATTERN_REMEDY = (
    "name hosts or groups of it, as Ansible's patterns do: agents, host1:host2, all:!host3"
)
NO_LIMIT_FILE = r"Unable to find limit file b?'(?P<file>[^']+)'"
"""What Ansible says of --limit @FILE without the file."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""As editors of Windows write them. Ansible takes them for the begin of a host's name."""
_FAILURE = re.compile(
    r"^\[WARNING\]: Failed to parse inventory with '(?P<plugin>\w+)' plugin: "
    r"(Failed to parse inventory: )?(?P<why>.*?)\n\n",
    re.DOTALL | re.MULTILINE,
)
"""As ansible-core 2.19 has it."""
_ORIGIN = re.compile(r"^Origin: (?P<place>/.*:\d+:\d+|<CLI option .*>)", re.MULTILINE)
_ERROR = re.compile(r"^\[ERROR\]: (?P<why>(?!Completely failed).*)", re.MULTILINE)


class InventoryError(MrunkitError):
    """The inventory cannot be read, or does not say what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host, and how ssh reaches it; what is None, ~/.ssh/config decides."""

    name: str
    """In the inventory."""
    address: str
    user: str | None = None
    port: int | None = None
    key_file: str | None = None
    known_hosts: tuple[str, ...] | None = None
    """Files of the keys that hosts are known by."""
    config_file: str | None = None
    """Instead of ~/.ssh/config."""
    jump: str | None = None
    """Hosts to go through, as for `ssh -J`."""
    proxy_command: str | None = None
    """Whose stdin and stdout lead there, where no hosts to go through are named."""
    is_here: bool = False
    """It is this machine (ansible_connection=local): no ssh."""


def read_inventory(path: Path, *, limit: str | None = None) -> list[Host]:
    """The hosts of an inventory, or those that match Ansible's pattern `limit`."""
    hosts = parse_listing(read_listing(path, limit=limit))
    if not hosts and limit is not None:
        raise InventoryError(
            f"inventory {path} has no host that matches {limit}", remedy=PATTERN_REMEDY
        )
    if not hosts:
        raise InventoryError(f"inventory {path} has no host")
    return hosts


def read_listing(
    path: Path, *, limit: str | None = None, extra_vars: Sequence[str] = ()
) -> Listing:
    """All that an inventory says; `extra_vars` are words for Ansible's --extra-vars."""
    _require_there(path)
    beside = Path(sys.executable).parent / "ansible-inventory"
    command = shutil.which(beside) or shutil.which("ansible-inventory")
    if command is None:
        raise InventoryError(
            f"no ansible-inventory beside this Python ({beside}) nor in PATH",
            remedy="install mrunkit again, or: pip install ansible-core",
        )
    words = [command, "--list", "--inventory", str(path)]
    words += ["--limit", limit] if limit is not None else []
    words += [word for text in extra_vars for word in ("--extra-vars", text)]
    listed = subprocess.run(
        words,
        env={
            **os.environ,
            # Else a file that it cannot parse is a warning, and an inventory without hosts.
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
            "ANSIBLE_NOCOLOR": "1",
            # Of ours or of an ansible.cfg; else it says more than the listing.
            "ANSIBLE_DEBUG": "0",
            "ANSIBLE_VERBOSITY": "0",
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise unreadable(path, listed.stderr)
    absolute = path.absolute()
    return with_directory(
        parse_listed(path, listed.stdout), absolute if absolute.is_dir() else absolute.parent
    )


def _require_there(path: Path) -> None:
    """Ansible would take what is not there for the names of hosts."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InventoryError(f"there is no inventory {path}") from error
    except OSError as error:
        raise InventoryError(f"cannot read inventory {path}: {error.strerror}") from error


def parse_listed(path: Path, said: str) -> Listing:
    """The listing that ansible-inventory has printed of an inventory; raises InventoryError."""
    try:
        listing: Listing = json.loads(said)
    except ValueError as error:
        first = said.strip().partition("\n")[0]
        raise InventoryError(
            f"cannot read inventory {path}: ansible-inventory prints no JSON, but "
            + (f'"{first}"' if first else "nothing"),
            remedy=f"see what it says: ansible-inventory --list --inventory {path}",
        ) from error
    return listing


def unreadable(path: Path, said: str) -> InventoryError:
    """What ansible-inventory says of an inventory that it does not take, as short as it can be.

    It tries one plugin after the other, and tells of each twice; that which the file is for knows.
    """
    if NO_VAULT_SECRETS in said:
        return InventoryError(
            f"inventory {path} has variables that are encrypted with ansible-vault",
            remedy=VAULT_REMEDY,
        )
    if found := re.search(NO_LIMIT_FILE, said):
        return InventoryError(f"there is no file {found['file']} for --limit")
    if path.is_file() and path.read_bytes().startswith(_BYTE_ORDER_MARKS):
        return InventoryError(
            f"inventory {path} begins with a byte order mark",
            remedy="save it as UTF-8 without one",
        )
    failures = {found["plugin"]: found for found in _FAILURE.finditer(said)}
    meant = "yaml" if path.suffix in (".yml", ".yaml", ".json") else "ini"
    if found := failures.get("script") or failures.get(meant):
        origin = _ORIGIN.search(said)
        at = f" ({origin['place']})" if origin else ""
        return InventoryError(f"cannot read inventory {path}: {found['why']}{at}")
    if found := _ERROR.search(said):
        return InventoryError(
            f"cannot read inventory {path}, or group_vars and host_vars beside it: {found['why']}"
        )
    return InventoryError(f"cannot read inventory {path}:\n{said.strip()}")


def with_directory(listing: Listing, directory: Path) -> Listing:
    """Fill in `{{ inventory_dir }}`, the one template that needs no play."""

    def filled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return re.sub(r"\{\{\s*inventory_dir\s*\}\}", lambda _: str(directory), value)

    variables = {
        host: {name: filled(value) for name, value in of_host.items()}
        for host, of_host in listing["_meta"]["hostvars"].items()
    }
    return {**listing, "_meta": {**listing["_meta"], "hostvars": variables}}


def is_template(value: Any) -> bool:
    """Whether only a play can tell what a variable's value is."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def group_members(listing: Listing, group: str) -> list[str]:
    """The names of a group's hosts, those of its child groups included, in order."""
    told = listing.get(group, {})
    names = [*told.get("hosts", ())]
    for child in told.get("children", ()):
        names += group_members(listing, child)
    return list(dict.fromkeys(names))


def parse_listing(listing: Listing) -> list[Host]:
    """The hosts of all groups, once each."""
    variables = listing["_meta"]["hostvars"]
    groups = [group for name, group in listing.items() if name != "_meta"]
    names = dict.fromkeys(name for group in groups for name in group.get("hosts", ()))
    return [_host(name, variables.get(name, {})) for name in names]


def _host(name: str, variables: Mapping[str, Any]) -> Host:
    for key in SSH_VARIABLES:
        if is_template(variables.get(key)):
            raise InventoryError(
                f"{name}: {key} is a template, which only a playbook fills in",
                remedy="write its value into the inventory",
            )
    options = _ssh_options(name, variables)
    port = _said(name, variables, PORT) or options.get("port")
    if port is not None and not (port.isdecimal() and 0 < int(port) < 65536):
        raise InventoryError(
            f"{name}: {port or 'an empty word'} is no number of a port",
            remedy="correct ansible_port, or ssh's arguments in the inventory",
        )
    key_file = _said(name, variables, KEY_FILE) or options.get("identityfile")
    known_hosts = options.get("userknownhostsfile")
    jump = options.get("proxyjump")
    proxy_command = options.get("proxycommand")
    config_file = options.get(CONFIG_FILE)
    if config_file == "none":  # ssh's word for no configuration at all
        config_file = os.devnull
    return Host(
        name=name,
        address=_said(name, variables, ADDRESS) or name,
        user=_said(name, variables, USER) or options.get("user"),
        port=None if port is None else int(port),
        key_file=None if key_file in (None, "none") else str(expanded(key_file)),
        known_hosts=None if known_hosts is None else tuple(_paths(name, known_hosts)),
        config_file=None if config_file is None else str(expanded(config_file)),
        jump=None if jump in (None, "none") else jump,
        proxy_command=None if proxy_command in (None, "none") else proxy_command,
        is_here=variables.get("ansible_connection") == "local",
    )


def _said(name: str, variables: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """What the first of these variables says that says something."""
    texts = [_text(name, key, variables.get(key)) for key in keys]
    return next((text for text in texts if text is not None), None)


def _text(name: str, key: str, value: Any) -> str | None:
    """A variable's value as it is written; None: nothing is."""
    if isinstance(value, dict | list):
        raise InventoryError(f"{name}: {key} must be a single value, not {value}")
    return None if value is None or value == "" else str(value)


def expanded(path: str) -> Path:
    """A path with ~ and ~USER filled in; raises InventoryError if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InventoryError(f"{path}: nobody here has this home directory") from error


def _ssh_options(name: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """What ssh's own arguments set, of which only some mean something to us; the first wins."""
    found: dict[str, str] = {}
    for key in SSH_ARGUMENTS:
        try:
            for option, value in _options(shlex.split(str(variables.get(key) or ""))):
                found.setdefault(option, value)
        except ValueError as error:
            raise InventoryError(f"{name}: {key} is not quoted well: {error}") from error
    return found


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and values in arguments of ssh; raises ValueError for a quote that is left open."""
    for word, following in zip(words, [*words, ""][1:], strict=True):
        flag, value = word[:2], word[2:] or following
        if flag == "-o":
            option, value = re.split(r"[\s=]+", f"{value.strip()} ", maxsplit=1)
            is_word = option.lower() in _SINGLE_WORDS
            yield option.lower(), " ".join(shlex.split(value)[:1]) if is_word else value.strip()
        elif flag in _OPTION_OF_FLAG:
            yield _OPTION_OF_FLAG[flag], value


def _paths(name: str, text: str) -> Iterator[str]:
    """Files that one option of ssh names: quoted once more for blanks, and its sign % doubled."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InventoryError(f"{name}: {text} is not quoted well: {error}") from error
    return (str(expanded(word.replace("%%", "%"))) for word in words)
