"""By which keys hosts are known, as ssh would know them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

import paramiko
import pytest
from paramiko.hostkeys import HostKeyEntry

from mrunkit.known_hosts import is_named, known_first, known_host, known_keys

KNOWN, WRONG, NEW = None, "BadHostKeyException", "SSHException"
"""What is said of a key: nothing, that it is another one, or that there is none."""


def blob(key: str, size: int = 32) -> bytes:
    """An ed25519 key of equal letters; those of another size than 32 are damaged."""
    return b"\0\0\0\x0bssh-ed25519\0\0\0" + bytes([size]) + key.encode() * size


def key_of(letter: str) -> paramiko.PKey:
    """The same, as a host shows it."""
    return paramiko.PKey.from_type_string("ssh-ed25519", blob(letter))


def line(names: str, key: str, size: int = 32) -> str:
    """A line of a known_hosts file."""
    return f"{names} ssh-ed25519 {base64.b64encode(blob(key, size)).decode()}\n"


def letters(keys: Iterable[paramiko.PKey]) -> str:
    """Of which letters these keys are."""
    return "".join(key.asbytes()[-1:].decode() for key in keys)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("host7", "a"),
        ("192.0.2.7", "ab"),
        ("[host7]:2222", "c"),
        ("hidden", "d"),
        ("host77", ""),
        ("*", ""),
        ("HOST7", "a"),
        ("[Host7]:2222", "c"),
        ("Hidden", "d"),
        ("Loud", "f"),
        ("loud", "f"),
        ("blanks", "g"),
    ],
)
def test_keys_are_found_under_all_forms_of_a_name(tmp_path: Path, name: str, keys: str) -> None:
    """One of several names, with a port, or as a hash, which is Debian's way."""
    file = tmp_path / "known_hosts"
    file.write_text(
        "# hosts of the lab\n\n"
        + line("host7,192.0.2.7", "a")
        + line("192.0.2.7", "b")
        + line("[host7]:2222", "c")
        + line(paramiko.HostKeys.hash_host("hidden"), "d")
        + line("@revoked host7", "e")
        + line("LOUD", "f")
        + line(" blanks\t ", "g")
        + "host7 ssh-ed25519 cut-off\nhost7\n"
        + line("host7", "h", size=31)
    )
    assert letters(known_keys(file, name)) == keys


@pytest.mark.parametrize(
    ("names", "name", "is_one"),
    [
        ("127.0.0.*", "127.0.0.1", True),
        ("127.0.0.?", "127.0.0.1", True),
        ("127.0.0.?", "127.0.0.10", False),
        ("127.0.0.1", "127a0a0a1", False),
        ("127.0.0.*,!127.0.0.1", "127.0.0.2", True),
        ("127.0.0.*,!127.0.0.1", "127.0.0.1", False),
        ("!127.0.0.1,127.0.0.*", "127.0.0.1", False),
        ("!127.0.0.1", "127.0.0.2", False),
        ("[127.0.0.*]:*", "[127.0.0.1]:2222", True),
        ("[127.0.0.*]:*", "127.0.0.1", False),
        ("*.Lab,other", "a.lab", True),
        ("[ab]", "a", False),
    ],
)
def test_patterns_mean_what_they_mean_to_ssh(names: str, name: str, is_one: bool) -> None:
    """One that is denied wins, wherever it is; brackets are brackets."""
    assert is_named(names, name) is is_one


@pytest.mark.parametrize(
    "names",
    [
        "|1|",
        "|1|c2FsdA==",
        "|1|c2FsdA==|",
        "|1|c2Fsd|aG9zdDc=",
        "|1|%|%",
        "|2|c2FsdA==|aG9zdDc=",
        "|1|\ufffd|\ufffd",
        "|",
        f"{paramiko.HostKeys.hash_host('host7')},host7",
    ],
)
def test_a_damaged_hash_is_that_of_no_host(tmp_path: Path, names: str) -> None:
    """The lines around it count all the same."""
    file = tmp_path / "known_hosts"
    file.write_text(line("host7", "a") + line(names, "b") + line("host7", "c"))
    assert letters(known_keys(file, "host7")) == "ac"


def test_keys_of_other_hosts_cost_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """paramiko compares each line with all before it: 2 s for 500 hosts, for each connection."""
    file = tmp_path / "known_hosts"
    file.write_text("".join(line(f"host{index},192.0.2.{index}", "a") for index in range(200)))
    parsed: list[str] = []
    parse = HostKeyEntry.from_line

    def counted(text: str, number: int | None = None) -> HostKeyEntry | None:
        parsed.append(text)
        return parse(text, number)

    monkeypatch.setattr(HostKeyEntry, "from_line", counted)
    assert len(list(known_keys(file, "host7"))) == 1
    assert len(parsed) == 1


@pytest.mark.parametrize(
    ("known", "key", "said"),
    [
        ([("[host7]:2222", "a")], "a", KNOWN),
        ([("[host7]:2222", "a")], "b", WRONG),
        ([("[host7]:2222", "a"), ("[host7]:2222", "b")], "b", KNOWN),
        ([("[*]:2222", "a"), ("[host7]:2222", "b")], "b", KNOWN),
        ([("host7", "a")], "a", KNOWN),
        ([("host7", "a")], "b", NEW),
        ([("[host7]:2222", "a"), ("host7", "b")], "b", WRONG),
        ([("[host7]:2200", "a")], "a", NEW),
        ([], "a", NEW),
    ],
)
def test_a_key_is_judged_as_ssh_judges_it(
    tmp_path: Path, known: list[tuple[str, str]], key: str, said: str | None
) -> None:
    """OpenSSH 9.2 was asked: any key of a name will do; without one of the port, the host's."""
    files = tmp_path / "none", tmp_path / "known_hosts"
    files[1].write_text("".join(line(names, letter) for names, letter in known))
    host = known_host(files, "host7", 2222)
    if said is KNOWN:
        host.missing_host_key(None, "host7", key_of(key))
    else:
        with pytest.raises(paramiko.SSHException) as raised:
            host.missing_host_key(None, "host7", key_of(key))
        assert type(raised.value).__name__ == said


@pytest.mark.parametrize("names", ["[host7]:2222", "*", "elsewhere,[host7]:*"])
def test_a_revoked_key_is_refused(tmp_path: Path, names: str) -> None:
    """Also where another line has it."""
    file = tmp_path / "known_hosts"
    file.write_text(
        line("[host7]:2222", "a") + line("[host7]:2222", "b") + line(f"@revoked\t{names}", "a")
    )
    host = known_host([file], "host7", 2222)
    host.missing_host_key(None, "host7", key_of("b"))
    with pytest.raises(paramiko.SSHException, match="is revoked"):
        host.missing_host_key(None, "host7", key_of("a"))


def test_a_host_is_asked_for_a_key_that_is_known() -> None:
    """It has several, and shows one; an RSA key has names for the ways it signs."""
    offered = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert known_first(offered, ["ssh-rsa"]) == (*offered[2:], *offered[:2])
    assert known_first(offered, ["ecdsa-sha2-nistp256"])[0] == "ecdsa-sha2-nistp256"
    assert known_first(offered, []) == offered
