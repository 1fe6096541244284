"""What is sent to hosts, whose Python may be old."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from mrunkit.provision.doctor import probe

SOURCE = Path(probe.__file__).read_text()


def test_the_probe_is_python_3_6() -> None:
    """The python3 of Rocky 8 and of CentOS 7; an annotation with [] must be text there."""
    tree = ast.parse(SOURCE, feature_version=(3, 6))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert "__future__" not in names
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations = [node.annotation for node in arguments] + [node.returns for node in functions]
    too_new = [
        ast.unparse(annotation)
        for annotation in annotations
        if isinstance(annotation, ast.Subscript | ast.BinOp)
    ]
    assert too_new == []


def test_the_probe_imports_nothing_that_the_host_may_not_have() -> None:
    """The standard library only, and nothing of mrunkit."""
    tree = ast.parse(SOURCE)
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {str(node.module).split(".")[0] for node in modules}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
    assert imported <= sys.stdlib_module_names


def test_the_checksum_is_that_of_the_rfc() -> None:
    """The example of RFC 1071, section 3: the sum is ddf2."""
    assert probe.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert probe.checksum(b"\x01") == 0xFEFF


HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
REST = "00000000:00000000 00:00000000 00000000"
WILDCARD, OWN, LOOPBACK = "00000000", "0A00000A", "0100007F"
MAPPED = "0000000000000000FFFF00000A00000A"
ANY_V6, OTHER_V6 = "0" * 32, "0" * 24 + "01000000"


def table(*sockets: tuple[str, str, int]) -> str:
    """As /proc/net/tcp is: address, state and uid of sockets at port 5050."""
    lines = [
        f"   {row}: {address}:13BA 00000000:0000 {state} {REST} {uid:5d}        0 1060 1 0 100"
        for row, (address, state, uid) in enumerate(sockets)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel writes numbers as they are")
@pytest.mark.parametrize(
    ("tcp", "tcp6", "uids"),
    [
        ([(OWN, "0A", 0)], [], {0}),
        ([(WILDCARD, "0A", 1000)], [], {1000}),
        ([(LOOPBACK, "0A", 1000)], [], set()),
        ([(OWN, "01", 1000)], [], set()),
        ([], [(ANY_V6, "0A", 1000)], {1000}),
        ([], [(MAPPED, "0A", 1000)], {1000}),
        ([], [(OTHER_V6, "0A", 1000)], set()),
        ([(OWN, "0A", 0)], [(ANY_V6, "0A", 1000)], {0}),
    ],
)
def test_who_listens_is_seen_by_address_or_wildcard(
    tcp: list[tuple[str, str, int]], tcp6: list[tuple[str, str, int]], uids: set[int]
) -> None:
    """One for IPv6 takes IPv4 as well, unless there is one for that."""
    assert probe.listeners(table(*tcp), table(*tcp6), ("10.0.0.10", 5050)) == uids
    assert probe.listeners(table(*tcp), table(*tcp6), ("10.0.0.10", 5051)) == set()
