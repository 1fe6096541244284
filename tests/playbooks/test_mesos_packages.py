"""The role mesos with packages: what is installed, and what teardown does with it.

The package is the stand-in of `standin/`, in a repository that is a directory of each host.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import operator
from container_hosts import LabHosts

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BUILD = Path(__file__).parent / "standin/build.py"
STEPS = ("validate.yml", "mesos.yml")
TEARDOWN = ("teardown.yml", "--tags", "mesos")
VERSION = "11.1.0-1"
NEWER = "11.10.0-1"
"""Of another length: Python takes what it has compiled of a file of the same age and size."""
PACKAGES: dict[str, object] = {
    "mesos_repository": "[trusted=yes] file:/srv/mesos ./",
    "mesos_more_packages": [],
}
KEY = "/etc/apt/keyrings/mesos.asc"
BINARY_KEY = "/etc/apt/keyrings/mesos.gpg"
SOURCES = "/etc/apt/sources.list.d/mesos.list"
STATUS = "dpkg-query --show --showformat='${db:Status-Status} ${Version}' mesos 2> /dev/null; true"


def repository(directory: Path) -> None:
    """Two versions of a package of Mesos, and their index."""
    out = directory / "repository"
    out.mkdir()
    entries = [package(directory, version, out) for version in (VERSION, NEWER)]
    (out / "Packages").write_text("\n".join(entries))


def package(directory: Path, version: str, out: Path) -> str:
    """With a file of settings, as Apache Mesos' has them; its entry in the index."""
    archive, root, name = directory / "mesos.tar.gz", directory / version, f"mesos-{version}.deb"
    subprocess.run([sys.executable, BUILD, archive, version], check=True)
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    (root / f"mesos-{version}").rename(root / "usr")
    for file, text in {
        "etc/mesos/zk": "zk://localhost:2181/mesos\n",
        "DEBIAN/conffiles": "/etc/mesos/zk\n",
        "DEBIAN/control": (
            f"Package: mesos\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: nobody <nobody@localhost>\nDescription: A stand-in for Mesos\n"
        ),
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    build = ["dpkg-deb", "--root-owner-group", "--build", root, out / name]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    data = (out / name).read_bytes()
    entry = f"Filename: ./{name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    return (root / "DEBIAN/control").read_text() + entry


@pytest.fixture(scope="module")
def hosts(lab_hosts: LabHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHosts]:
    """The hosts, each with the repository, and without Mesos again at the end."""
    directory = tmp_path_factory.mktemp("packages")
    repository(directory)
    for container in lab_hosts.containers.values():
        lab_hosts.docker("cp", f"{directory}/repository", f"{container}:/srv/mesos")
    yield lab_hosts
    lab_hosts.play(*TEARDOWN, **PACKAGES)
    for host in lab_hosts.containers:
        lab_hosts.on(host, "sh", "-c", "apt-get purge -qy mesos; rm -rf /srv/mesos")


def status(hosts: LabHosts, host: str) -> str:
    """What dpkg knows of the package."""
    return hosts.on(host, "sh", "-c", STATUS)


def test_it_is_installed_also_after_it_was_removed(hosts: LabHosts) -> None:
    """A package that left its settings is still known by its version; nothing changes twice."""
    install = f"apt-get install -qy /srv/mesos/mesos-{VERSION}.deb"
    hosts.on("host1", "sh", "-c", f"{install} && apt-get remove -qy mesos")
    assert status(hosts, "host1") == f"config-files {VERSION}"

    hosts.play(*STEPS, **PACKAGES, mesos_package_version=VERSION)
    assert status(hosts, "host1") == f"installed {VERSION}"
    for words in ((), ("--check",)):
        assert set(hosts.play(*STEPS, *words, **PACKAGES).changed.values()) == {0}


def test_another_version_is_not_taken_for_the_one_that_is_asked_for(hosts: LabHosts) -> None:
    """Though its name be a part of the other's; the one that is there is."""
    other = hosts.play(*STEPS, "--check", **PACKAGES, mesos_package_version="1.1.0-1")
    same = hosts.play(*STEPS, "--check", **PACKAGES, mesos_package_version=VERSION)

    assert "Would install mesos=1.1.0-1" in other.output
    assert set(same.changed.values()) == {0}


def test_versions_are_switched_and_switched_back(hosts: LabHosts) -> None:
    """The daemons that run are those of the version that is asked for, and all agents are there."""
    for version in (NEWER, VERSION):
        hosts.play(*STEPS, **PACKAGES, mesos_package_version=version)
        assert {status(hosts, host) for host in hosts.containers} == {f"installed {version}"}
        assert operator(hosts).version() == version
        assert {agent.hostname for agent in operator(hosts).agents()} == {"host1", "host2"}
        again = hosts.play(*STEPS, **PACKAGES, mesos_package_version=version)
        assert set(again.changed.values()) == {0}


def test_another_key_is_taken(hosts: LabHosts) -> None:
    """From another URL although there is one, and from the machine that runs this."""
    settings = {**PACKAGES, "mesos_repository": "file:/srv/mesos ./"}
    for host in hosts.containers:
        hosts.on(host, "sh", "-c", "cd /srv/mesos; echo first > 1.asc; echo second > 2.asc")
    (hosts.directory / "3.asc").write_text("third\n")
    held = []

    for key in ("file:///srv/mesos/1.asc", "file:///srv/mesos/2.asc", "3.asc"):
        hosts.play(*STEPS, **settings, mesos_repository_key=key)
        again = hosts.play(*STEPS, "--check", **settings, mesos_repository_key=key)
        assert set(again.changed.values()) == {0}
        held.append(hosts.on("host0", "cat", KEY).strip())

    assert held == ["first", "second", "third"]


def test_a_key_without_armor_is_one_too(hosts: LabHosts) -> None:
    """As `gpg --export` writes it; apt takes it by another name."""
    settings = {**PACKAGES, "mesos_repository": "file:/srv/mesos ./"}
    (hosts.directory / "4.gpg").write_bytes(b"\x99\x01\r\x04")
    hosts.play(*STEPS, **settings, mesos_repository_key="4.gpg")
    again = hosts.play(*STEPS, "--check", **settings, mesos_repository_key="4.gpg")
    assert set(again.changed.values()) == {0}
    named = f"deb [signed-by={BINARY_KEY}] file:/srv/mesos ./"
    assert named in hosts.on("host0", "cat", SOURCES).splitlines()
    assert hosts.on("host0", "readlink", BINARY_KEY).strip() == KEY


def test_teardown_takes_the_package_out_with_its_settings(hosts: LabHosts) -> None:
    """Nothing of it is left, but for settings that were there before the lab."""
    hosts.play(*TEARDOWN, **PACKAGES, mesos_repository_key="4.gpg")

    left = {host: status(hosts, host) for host in hosts.containers}
    assert left == {"host0": "", "host1": f"config-files {VERSION}", "host2": ""}
    assert not hosts.present("host0", "/etc/mesos", KEY, BINARY_KEY, SOURCES)
    assert hosts.on("host1", "ls", "/etc/mesos").split() == ["zk"]
