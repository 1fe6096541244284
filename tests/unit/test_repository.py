"""Promises about the repository itself: which module imports what, and what no file may hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A part may import from the rows below its own, and from itself.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"runner", "launch", "host_site", "provision", "lab"},
    {"output", "records", "settings"},
    {"containers"},
    {"mesos", "hydra", "local", "ssh"},
    {"scheduler", "inventory", "known_hosts", "in_threads", "process_identity", "ending_signals"},
)
LAYERED = set().union(*LAYERS)

FOR_ALL = {"errors", "__init__"}
"""What every part may import."""

PURE_STDLIB = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "enum", "fractions", "functools",
    "heapq", "itertools", "math", "operator", "types", "typing",
}  # fmt: skip

SLOW_TO_IMPORT = {"aiohttp", "ansible_runner", "docker", "elftools", "fabric", "paramiko", "rich"}
"""What costs 20 to 200 ms; the way of `run` imports it inside the function that needs it."""

# In brackets, so that this file does not hold what it looks for.
REGISTRY = re.compile(
    r"p[y]pi\.org|python[h]osted\.org|registry\.np[m]js|deb\.de[b]ian\.org|archive\.ub[u]ntu\.com"
)
NOT_COMMITTED = {".git", "__pycache__", "build", "dist", "node_modules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One name that a module of mrunkit imports: `mrunkit.hydra.lines.parse` from `cli/run.py`."""

    importer: Path  # relative to mrunkit/
    imported: str
    at_start: bool  # when the importer is imported, rather than when something is called

    @property
    def part(self) -> str:
        """The importer's package or module directly below mrunkit."""
        return part_of(self.importer)

    @property
    def top(self) -> str:
        """The imported distribution's package."""
        return self.imported.split(".")[0]

    @property
    def imported_part(self) -> str:
        """The part of mrunkit that is imported; `__init__` for mrunkit itself."""
        name = self.imported.split(".")[1:2]
        return name[0] if name and name[0] in LAYERED | {"errors"} else "__init__"

    def __str__(self) -> str:
        return f"mrunkit/{self.importer} imports {self.imported}"


def part_of(path: Path) -> str:
    """The package or module directly below mrunkit to which a file belongs."""
    return path.parts[0].removesuffix(".py")


def imports_in(source: str, importer: Path) -> Iterator[Import]:
    """All imports in a module, relative ones made absolute."""
    tree = ast.parse(source)
    lazy = {node for part in ast.walk(tree) if is_run_later(part) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ["mrunkit", *importer.parts[:-1]]
            base = package[: len(package) + 1 - node.level] if node.level else []
            base += [node.module] if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(importer=importer, imported=name, at_start=node not in lazy)


def is_run_later(part: ast.AST) -> bool:
    """Whether the import of a module leaves this part of it out: functions, what is for types."""
    if isinstance(part, ast.If):
        return isinstance(part.test, ast.Name) and part.test.id == "TYPE_CHECKING"
    return isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)


MODULES = [path.relative_to(ROOT / "mrunkit") for path in (ROOT / "mrunkit").rglob("*.py")]
PARTS = {part_of(path) for path in MODULES}
IMPORTS = [
    found for path in MODULES for found in imports_in((ROOT / "mrunkit" / path).read_text(), path)
]


def test_every_part_has_a_layer() -> None:
    """A new part has to say where it stands before it can be imported."""
    without_layer = PARTS - LAYERED - FOR_ALL
    assert without_layer == set()


def test_parts_import_only_from_the_layers_below() -> None:
    """As LAYERS has them, and ARCHITECTURE.md in short."""
    upwards = [str(found) for found in IMPORTS if found.top == "mrunkit" and is_upwards(found)]
    assert upwards == []


def is_upwards(found: Import) -> bool:
    """Whether an import of one part by another goes up, or to a part of the same layer."""
    if found.imported_part in FOR_ALL | {found.part}:
        return False
    return found.part in FOR_ALL or level_of(found.imported_part) <= level_of(found.part)


def level_of(part: str) -> int:
    """The number of a part's layer, counted from the top."""
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def test_the_scheduler_imports_nothing_that_acts() -> None:
    """No I/O, clock, thread, randomness or logging can come in."""
    acting = [
        str(found)
        for found in IMPORTS
        if found.part == "scheduler"
        and found.top not in PURE_STDLIB
        and not found.imported.startswith(("mrunkit.scheduler.", "mrunkit.errors."))
    ]
    assert acting == []


def test_pymesos_stays_behind_one_module() -> None:
    """Its habits (signal handler, log handler, threads) are tamed in one place."""
    importers = {
        found.importer for found in IMPORTS if found.top in {"pymesos", "http_parser", "addict"}
    }
    assert importers <= {Path("mesos/subscription.py")}


def test_nothing_slow_is_imported_at_start() -> None:
    """Start-up is part of the product; a module may be slow that is itself imported when needed."""
    slow = {found.importer for found in IMPORTS if found.at_start and found.top in SLOW_TO_IMPORT}
    assert slow == {Path("local/docker_engine.py")}


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the user's configuration, also for lock files."""
    naming = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if REGISTRY.search(line)
    ]
    assert naming == []


def text_files() -> Iterator[Path]:
    """The repository's text files, without what git ignores or tools keep in hidden folders."""
    for folder, subfolders, files in os.walk(ROOT):
        subfolders[:] = [
            name
            for name in subfolders
            if name not in NOT_COMMITTED
            and not name.endswith((".egg-info", "_cache"))
            and name != ".hypothesis"
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        for name in files:
            path = Path(folder, name)
            if path.is_file() and b"\0" not in path.read_bytes()[:1024]:
                yield path


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """Also those that are not Python, such as hydra/proxy.sh, and what is beside it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mrunkit/")}
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mrunkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = {
        f"mrunkit/{folder}_data/{path.relative_to(ROOT / folder).as_posix()}"
        for folder in ("images", "inventory", "playbooks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == here | beside
