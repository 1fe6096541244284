"""What is sent to hosts, whose Python may be old."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

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
