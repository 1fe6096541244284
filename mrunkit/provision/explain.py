"""A failed task's result in plain words, with what to do about it. Pure.

The words that are looked for are those of ssh, sudo, apt, dnf and Ansible's modules, as
recorded in tests/data/ansible.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mrunkit.inventory import NO_LIMIT_FILE, NO_VAULT_SECRETS, PATTERN_REMEDY, VAULT_REMEDY
from mrunkit.provision.progress import Failure

_LINES = 5
"""Of what a command printed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What failed, in lines, and what to do."""

    lines: tuple[str, ...]
    remedy: str | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """The lines, and the remedy beneath them."""
        return (*self.lines, f"  {self.remedy}") if self.remedy else self.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Words that are found, and what they mean; both texts are filled with its groups."""

    words: re.Pattern[str]
    message: str
    remedy: str


def _rule(words: str, message: str, remedy: str) -> _Rule:
    return _Rule(words=re.compile(words, re.DOTALL), message=message, remedy=remedy)


_SSH = (
    _rule(
        r"HOST IDENTIFICATION HAS CHANGED.*?(?P<forget>ssh-keygen -f \S+ -R \S+)",
        "its host key is not the one that is known",
        "if it was installed anew: {forget}; else somebody may be in between",
    ),
    _rule(
        r"Host key verification failed",
        "its host key is not known",
        "log in once and compare the fingerprint: {login}",
    ),
    _rule(
        r"no such identity: (?P<file>[^:]+)",
        "there is no key {file} here",
        "correct ansible_ssh_private_key_file in the inventory",
    ),
    _rule(
        r"(?P<who>\S+@\S+): Permission denied",
        "{who} takes none of our keys",
        "name the right one in the inventory (ansible_ssh_private_key_file) or in the ssh agent, "
        "or bring ours there: ssh-copy-id",
    ),
    _rule(
        r"Could not resolve hostname (?P<name>[^:\s]+)",
        "nothing is known of the name {name}",
        "correct it, or give its address in the inventory: ansible_host=",
    ),
    _rule(
        r"connect to host (?P<address>\S+) port (?P<port>\d+): Connection refused",
        "nothing listens at {address} port {port}",
        "start sshd there, or correct ansible_host and ansible_port in the inventory",
    ),
    _rule(
        r"connect to host (?P<address>\S+) port (?P<port>\d+): (?P<why>[^\r\n]+)",
        "cannot reach {address} port {port}: {why}",
        "is it switched on, is ansible_host right, is there a firewall between? try: {login}",
    ),
    _rule(
        r"kex_exchange_identification|Connection reset by|Connection closed by",
        "its sshd hangs up",
        "perhaps too many log in at once (MaxStartups there): try a smaller --forks, or {login}",
    ),
)
_SUDO = (
    _rule(
        r"Missing sudo password|password is required|Incorrect sudo password",
        "sudo wants a password",
        "allow it without one: NOPASSWD in /etc/sudoers.d",
    ),
    _rule(
        r"(?P<user>\S+) is not in the sudoers file",
        "{user} may not use sudo",
        "allow it in /etc/sudoers.d, or log in as another user (ansible_user)",
    ),
    _rule(
        r"sudo: (command )?not found",
        "it has no sudo",
        "as root there: apt-get install sudo, or yum install sudo",
    ),
)
_PACKAGES = (
    _rule(
        r"Could not get lock \S+ It is held by process (?P<pid>\d+) \((?P<name>[^)]+)\)",
        "{name} (process {pid}) is installing packages there",
        "let it end, and run this again",
    ),
    _rule(
        r"Failed to lock apt|holding the yum lock|waiting for process with pid",
        "another program is installing packages there",
        "let it end, and run this again",
    ),
    # Before the rule for names that do not resolve, which this one as well does not.
    _rule(
        r"mirrorlist\.centos\.org|Cannot find a valid baseurl for repo: (base|extras|updates)/7/",
        "CentOS 7 is retired: the servers that its package tool asks are gone",
        "its packages are in the vault: in /etc/yum.repos.d/CentOS-*.repo there, comment out "
        "mirrorlist= and set baseurl= to vault.centos.org or a mirror of it",
    ),
    _rule(
        r"No package matching '(?P<name>[^']+)' (is|found) available|"
        r"No package (?P<name2>\S+) available|Unable to locate package (?P<name3>\S+)",
        "there is no package {name}",
        "does this system call it differently, or lack a repository?",
    ),
    _rule(
        r"Temporary failure resolving '(?P<name>[^']+)'|"
        r"Could not resolve '?(host: )?(?P<name2>[^\s';\]]+)",
        "it cannot resolve {name}",
        "correct its DNS (/etc/resolv.conf), or the proxy of its package tool",
    ),
    _rule(
        r"Failed to update apt cache|Failed to fetch \S+|Failed to download metadata|"
        r"Cannot download repo|No more mirrors to try",
        "it cannot reach its package repositories",
        "see that apt-get update (dnf makecache) works there: network, DNS, proxy",
    ),
)
# ansible-inventory heeds a password in the user's ansible.cfg; playbooks run with their own.
_NO_VAULT_SECRETS = _rule(
    NO_VAULT_SECRETS, "variables are encrypted with ansible-vault", VAULT_REMEDY
)
_REST = (
    _NO_VAULT_SECRETS,
    _rule(
        r"^Error executing command", "there is no such program: {command}", "is it in PATH there?"
    ),
    _rule(r"No space left on device", "a disk is full", "make room: df -h, there"),
    _rule(
        r"Read-only file system", "a file system is read-only", "see its kernel's log: dmesg, there"
    ),
    _rule(
        r"module interpreter '(?P<name>[^']+)' was not found|"
        r"(?P<name2>\S*python[\d.]*): (command )?not found",
        "it has no {name}",
        "install python3 there, or correct ansible_python_interpreter in the inventory",
    ),
    _rule(
        r"checksum for .* did not match (?P<want>\w+); it was (?P<got>\w+)",
        "what was downloaded has the checksum {got}, not {want}",
        "it is damaged, or not what the inventory means",
    ),
    _rule(
        r"Request failed: <urlopen error (\[Errno -?\d+\] )?(?P<why>[^>]+)>",
        "it cannot download: {why}",
        "see that it reaches the URL: network, DNS, proxy",
    ),
    _rule(
        r"[Cc]ould not find or access '(?P<file>[^']+)' on the Ansible Controller",
        "there is no {file} on this machine",
        "correct its path in the inventory",
    ),
    _rule(
        r"Unable to (re)?start service (?P<unit>[^:\s]+)",
        "service {unit} does not start",
        "see why: journalctl -u {unit}, there",
    ),
    _rule(
        r"unknown filesystem type 'nfs4?'",
        "its kernel has no NFS client",
        "install the kernel of an ordinary distribution there",
    ),
    _rule(
        r"'(?P<name>\w+)' is undefined",
        "a variable is not set: {name}",
        "set it in the inventory or with -e",
    ),
)


_REFUSALS = (
    _NO_VAULT_SECRETS,
    _rule(
        r"--limit leaves us with no hosts|--limit does not match any hosts",
        "--limit matches no host of the inventory",
        PATTERN_REMEDY,
    ),
    _rule(
        NO_LIMIT_FILE,
        "there is no file {file} for --limit",
        "correct its path",
    ),
)


def explain_refusal(said: str) -> Explanation:
    """Explain why Ansible did not start at all."""
    for rule in _REFUSALS:
        if found := rule.words.search(said):
            return _apply(rule, found, {})
    return Explanation(lines=(said,))


def explain(failure: Failure, *, login: str) -> Explanation:
    """Explain a failure; `login` is the ssh command that leads to the host."""
    result = _failed_item(failure.result)
    if "censored" in result:
        return Explanation(
            lines=("its output is hidden, for it may hold secrets",),
            remedy=f"see what the host's journal has of it: {login} journalctl -n 50",
        )
    own = _lines(result.get("msg"))
    if failure.says_it_itself:
        return Explanation(lines=tuple(own))
    # dnf names in `failures` what its `msg` only counts.
    keys = ("msg", "failures", "stderr", "module_stderr", "exception")
    texts = [result.get(key) for key in keys]
    said = "\n".join(line for text in texts for line in _lines(text))
    rules = _SSH if failure.is_unreachable else (*_SUDO, *_PACKAGES, *_REST)
    for rule in rules:
        if found := rule.words.search(said):
            return _apply(rule, found, {"login": login, "command": _command(result)})
    if own[:1] == ["non-zero return code"] or ("rc" in result and not own):
        return Explanation(lines=tuple(_command_lines(result)))
    return Explanation(lines=tuple(own) or ("it failed without a word",))


def _apply(rule: _Rule, found: re.Match[str], known: Mapping[str, str]) -> Explanation:
    # name, name2 and so on are the alternatives of one.
    groups = {
        name.rstrip("23"): value for name, value in found.groupdict().items() if value is not None
    }
    texts = {**known, **groups}
    return Explanation(lines=(rule.message.format(**texts),), remedy=rule.remedy.format(**texts))


def _failed_item(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a loop, the first item that failed."""
    items = (item for item in result.get("results", ()) if isinstance(item, Mapping))
    return next((item for item in items if item.get("failed")), result)


def _command(result: Mapping[str, Any]) -> str:
    command = result.get("cmd", "")
    return command if isinstance(command, str) else shlex.join(map(str, command))


def _command_lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_command(result) or 'its module'} ended with status {result['rc']}"
    streams = ("stderr", "stdout", "module_stderr", "module_stdout")
    said = (_lines(result.get(stream)) for stream in streams)
    yield from next((lines[-_LINES:] for lines in said if lines), [])


def _lines(text: object) -> list[str]:
    """Lines of a message, which may be a list of them."""
    texts = text if isinstance(text, list) else [text or ""]
    whole = "\n".join(map(str, texts)).removeprefix("Task failed: ").removeprefix("Module failed: ")
    # A YAML block scalar in single quotes keeps its \n as two characters.
    lines = whole.replace("\\n", "\n").splitlines()
    return [line.rstrip() for line in lines if line.strip()]
