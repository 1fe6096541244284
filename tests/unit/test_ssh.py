"""What is known of hosts' keys before anybody logs in."""

from __future__ import annotations

import base64
from pathlib import Path

import paramiko
import pytest
from paramiko.hostkeys import HostKeyEntry

from mrunkit.ssh import known_keys


def line(names: str, key: str) -> str:
    """A line of a known_hosts file; the key is an ed25519 one of 32 equal letters."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + key.encode() * 32
    return f"{names} ssh-ed25519 {base64.b64encode(blob).decode()}\n"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("host7", "a"),
        ("192.0.2.7", "ab"),
        ("[host7]:2222", "c"),
        ("hidden", "d"),
        ("host77", ""),
        ("*", ""),
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
        + "host7 ssh-ed25519 cut-off\nhost7\n"
    )
    found = known_keys(file, name)
    assert [key.asbytes()[-1:].decode() for key in found] == list(keys)


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
