"""Role client on real hosts: mrunkit on the master, as far as that can have it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_hosts import LabHosts

REPOSITORY = Path(__file__).parents[2]
PLAYS = ("validate.yml", "client.yml")
COMMAND = "/usr/local/bin/mrunkit"

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """All that mrunkit needs; the hosts reach no package index."""
    directory = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", directory]
    subprocess.run([*pip, REPOSITORY / "compat/http-parser", REPOSITORY], check=True)
    return {"client_wheels": str(directory), "lab_mesos_authentication": False}


def test_a_host_without_an_index_is_a_warning(lab_hosts: LabHosts) -> None:
    """And no failure; nothing is offered that does not work."""
    played = lab_hosts.play(*PLAYS, lab_mesos_authentication=False)
    assert "WARNING: host0: no mrunkit of its own" in played.output
    assert not lab_hosts.present("host0", COMMAND)


def test_the_master_gets_it_and_agents_do_not(
    lab_hosts: LabHosts, wheels: dict[str, object]
) -> None:
    """It knows the lab; a second run, and one that only looks, change nothing."""
    checked = lab_hosts.play(*PLAYS, "--check", **wheels)
    lab_hosts.play(*PLAYS, **wheels)
    again = lab_hosts.play(*PLAYS, **wheels)
    checked_again = lab_hosts.play(*PLAYS, "--check", **wheels)

    assert "Would install mrunkit" in checked.output
    assert set(again.changed.values()) == set(checked_again.changed.values()) == {0}
    told = lab_hosts.on("host0", COMMAND, "hosts", "/etc/mrunkit/lab.yml", check=False)
    assert "host1" in told
    assert not lab_hosts.present("host1", COMMAND)


def test_wheels_of_other_versions_do(
    lab_hosts: LabHosts, wheels: dict[str, object], tmp_path: Path
) -> None:
    """Made in another year, or for another Python: mrunkit says itself what it can live with."""
    for wheel in Path(str(wheels["client_wheels"])).iterdir():
        if wheel.name.startswith("six-"):
            _write_renumbered(wheel, tmp_path, version="99.0")
        else:
            shutil.copy(wheel, tmp_path)
    played = lab_hosts.play(*PLAYS, **{**wheels, "client_wheels": str(tmp_path)})
    assert "WARNING" not in played.output
    command = lab_hosts.seen("host0").file(COMMAND).linked_to
    python = command.replace("bin/mrunkit", "bin/python")
    ask = "import importlib.metadata as found; print(found.version('six'))"
    assert lab_hosts.on("host0", python, "-c", ask) == "99.0\n"


def _write_renumbered(wheel: Path, directory: Path, *, version: str) -> None:
    """The same distribution under another version."""
    name, before, tags = wheel.name.split("-", 2)
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(directory / f"{name}-{version}-{tags}", "w") as new,
    ):
        for member in old.namelist():
            data = old.read(member)
            if member.endswith(".dist-info/METADATA"):
                data = data.replace(f"Version: {before}".encode(), f"Version: {version}".encode())
            new.writestr(member.replace(f"{name}-{before}.", f"{name}-{version}."), data)


@pytest.fixture
def mesos_secret(lab_hosts: LabHosts) -> Iterator[str]:
    """A secret beside the inventory; the role mesos makes its own, where there is none."""
    path = lab_hosts.directory / ".mrunkit" / "mesos-secret"
    path.parent.mkdir(exist_ok=True)
    path.write_text("s3cret\n")
    yield path.read_text()
    path.unlink()


def test_a_group_may_be_let_in(
    lab_hosts: LabHosts, wheels: dict[str, object], mesos_secret: str
) -> None:
    """The secret is the lab's user's alone, or a group's too."""
    asked = {**wheels, "lab_mesos_authentication": True}
    secret = lab_hosts.seen("host0").file("/etc/mrunkit/mesos-secret")
    lab_hosts.play(*PLAYS, **asked)
    assert (secret.mode, secret.user, secret.group) == (0o400, "root", "root")
    lab_hosts.play(*PLAYS, **asked, client_group="games")
    assert (secret.mode, secret.user, secret.group) == (0o440, "root", "games")
    assert secret.content_string == mesos_secret


def test_a_command_that_is_there_is_kept(lab_hosts: LabHosts, wheels: dict[str, object]) -> None:
    """Somebody may have installed mrunkit by hand."""
    lab_hosts.on("host0", "sh", "-c", f"rm -f {COMMAND}; echo theirs > {COMMAND}")
    played = lab_hosts.play(*PLAYS, **wheels)
    assert f"WARNING: host0: bootstrap did not make the {COMMAND} there" in played.output
    lab_hosts.play("teardown.yml", "--tags", "validate,client", **wheels)
    assert lab_hosts.seen("host0").file(COMMAND).content_string == "theirs\n"
    lab_hosts.on("host0", "rm", COMMAND)
    assert not lab_hosts.present("host0", "/opt/mrunkit", "/etc/mrunkit")
