"""The role mpich: one version at one path, from packages or built once.

MPICH itself takes long to build and cannot be downloaded where these tests run: what is built is
an archive of the same form, whose `make install` installs scripts.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_hosts import LabHosts

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

STEPS = ("validate.yml", "mpich.yml")

CONFIGURE = """#!/bin/sh
for word; do case $word in --prefix=*) prefix=${word#--prefix=};; esac; done
echo "configured for $prefix with $*"
printf 'prefix=%s\\nall:\\n\\t@! grep . /tmp/broken\\ninstall:\\n' "$prefix" > Makefile
printf '\\tmkdir -p $(prefix)/bin\\n\\tcp bin/* $(prefix)/bin\\n' >> Makefile
"""
MPIEXEC = """#!/bin/sh
[ "$1" = --version ] || { echo world of 2; echo world of 2; exit; }
printf 'HYDRA build details:\\n    Version:   %s\\n'
"""
LONERS = """#!/bin/sh
[ "$1" != --version ] || exec /usr/bin/mpiexec.kept --version
for program; do :; done
"$program" && "$program"
"""
"""What Ubuntu 24.04's does: each rank is started, and told of no other."""


@pytest.fixture
def without_mpich(lab_hosts: LabHosts) -> Iterator[LabHosts]:
    """The hosts as they were before the role, with a directory for the share each."""
    lab_hosts.play("teardown.yml", "--tags", "mpich")
    for host in lab_hosts.containers:
        lab_hosts.on(host, "mkdir", "-p", "/share")
    yield lab_hosts
    lab_hosts.play("teardown.yml", "--tags", "mpich")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """An archive that is built like MPICH's; as the role's variables."""
    return source_of(tmp_path_factory.mktemp("source"), "3.2.1")


def source_of(directory: Path, version: str) -> dict[str, object]:
    path = directory / f"mpich-{version}.tar.gz"
    files = {
        "configure": CONFIGURE,
        "bin/mpiexec.hydra": MPIEXEC % version,
        "bin/hydra_pmi_proxy": "#!/bin/sh\n",
        "bin/mpicc": "#!/bin/sh\n",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"mpich-{version}/{name}")
            member.mode, member.size = 0o755, len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return {
        "mpich_install": "source",
        "mpich_version": version,
        "mpich_source": str(path),
        "mpich_source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def version(hosts: LabHosts, host: str) -> str:
    """As a job would run it."""
    words = hosts.on(host, "/opt/mpich/bin/mpiexec.hydra", "--version").split()
    return words[words.index("Version:") + 1]


def test_packages_are_found_at_the_common_path(without_mpich: LabHosts) -> None:
    """A dry run on a bare host passes; a second run changes nothing; neither does a dry one."""
    hosts = without_mpich
    assert set(hosts.play(*STEPS, "--check").failed.values()) == {0}
    hosts.play(*STEPS)
    assert len({version(hosts, host) for host in hosts.containers}) == 1
    for words in ((), ("--check",)):
        assert set(hosts.play(*STEPS, *words).changed.values()) == {0}


@contextlib.contextmanager
def another_mpiexec(hosts: LabHosts, host: str, text: str) -> Iterator[None]:
    """A script instead of mpiexec, which is kept beside it."""
    hosts.on(host, "mv", "/usr/bin/mpiexec.hydra", "/usr/bin/mpiexec.kept")
    try:
        put(hosts, host, "/usr/bin/mpiexec.hydra", text)
        hosts.on(host, "chmod", "755", "/usr/bin/mpiexec.hydra")
        yield
    finally:
        hosts.on(host, "mv", "/usr/bin/mpiexec.kept", "/usr/bin/mpiexec.hydra")


def test_another_version_than_most_have_is_refused(without_mpich: LabHosts) -> None:
    """The message says which host has which, and what to do; the others go on."""
    hosts = without_mpich
    ours = version_of_package(hosts, "host0")
    with another_mpiexec(hosts, "host2", MPIEXEC % "3.4.3"):
        played = hosts.play(*STEPS, check=False)
    said = " ".join(played.output.split())
    assert f"3.4.3 on host2; {ours} on host0, host1. Set mpich_version" in said
    assert played.failed == {"host0": 0, "host1": 0, "host2": 1}


def test_an_mpiexec_whose_ranks_do_not_meet_is_refused(without_mpich: LabHosts) -> None:
    """Again in the next run, for nothing leads to it; the others go on."""
    hosts = without_mpich
    with another_mpiexec(hosts, "host2", LONERS):
        played = [hosts.play(*STEPS, check=False) for _ in range(2)]
    assert [each.failed for each in played] == [{"host0": 0, "host1": 0, "host2": 1}] * 2
    said = " ".join(played[0].output.split())
    assert "ended with status 0 after: world of 1. Set mpich_install=source" in said
    assert hosts.on("host2", "sh", "-c", "ls -d /opt/mpich /var/lib/mrunkit-*", check=False) == ""


def version_of_package(hosts: LabHosts, host: str) -> str:
    words = hosts.on(host, "/usr/bin/mpiexec.hydra", "--version").split()
    return words[words.index("Version:") + 1]


def test_a_source_is_built_once_into_the_share(
    without_mpich: LabHosts, source: dict[str, object]
) -> None:
    """A build that fails tells the end of its log, and the next run makes it good."""
    hosts = without_mpich
    # These hosts share nothing: what is built on host0 is brought to the others by hand.
    hosts.on("host0", "sh", "-c", "echo 'ring.c:3:7: error: no ring' > /tmp/broken")
    failed = hosts.play(*STEPS, check=False, **source)
    assert failed.failed == {"host0": 1, "host1": 1, "host2": 1}
    assert "with-device=ch3:nemesis" in failed.output
    assert re.search(r"Error 1\n *ring.c:3:7: error: no ring\n *all of it: /share/", failed.output)
    assert "msg: host0 could not build MPICH for all hosts" in failed.output
    hosts.on("host0", "rm", "/tmp/broken")

    unshared = hosts.play(*STEPS, check=False, **source)
    assert unshared.failed == {"host0": 0, "host1": 1, "host2": 1}
    assert "Is /share mounted" in unshared.output
    for host in ("host1", "host2"):
        copy(hosts, "host0", host)
    hosts.play(*STEPS, **source)
    assert {version(hosts, host) for host in hosts.containers} == {"3.2.1"}
    for words in ((), ("--check",)):
        assert set(hosts.play(*STEPS, *words, **source).changed.values()) == {0}
    path = hosts.on("host1", "bash", "-lc", "command -v mpiexec.hydra").strip()
    assert path == "/opt/mpich/bin/mpiexec.hydra"


def test_versions_are_switched_and_switched_back(
    without_mpich: LabHosts, source: dict[str, object], tmp_path: Path
) -> None:
    """Each is built beside the former, which programs that run still have; then it is there."""
    hosts = without_mpich
    newer = source_of(tmp_path, "3.4.3")
    gone = {**source, "mpich_source": "/nowhere/mpich.tar.gz"}
    only = ("--limit", "host0")  # these hosts share nothing
    hosts.play(*STEPS, *only)
    packaged = version(hosts, "host0")
    for variables in (source, newer, gone):
        hosts.play(*STEPS, *only, **variables)
        assert version(hosts, "host0") == variables["mpich_version"]
        assert set(hosts.play(*STEPS, *only, **variables).changed.values()) == {0}
    hosts.play(*STEPS, *only)
    assert version(hosts, "host0") == packaged


def copy(hosts: LabHosts, origin: str, target: str) -> None:
    """The share's content, from host to host."""
    packed = hosts.on(origin, "sh", "-c", "tar -C / -cz share/mpich | base64")
    put(hosts, target, "/tmp/share", packed)
    hosts.on(target, "sh", "-c", "base64 -d /tmp/share | tar -C / -xz")


def test_a_source_with_another_checksum_is_not_built(
    without_mpich: LabHosts, source: dict[str, object]
) -> None:
    """The message says which checksum it has."""
    wrong = {**source, "mpich_source_sha256": "0" * 64}
    played = without_mpich.play(*STEPS, check=False, **wrong)
    assert str(source["mpich_source_sha256"]) in played.output
    assert set(played.changed.values()) == {0}


def put(hosts: LabHosts, host: str, path: str, text: str) -> None:
    hosts.on(host, "sh", "-c", f"cat > {path} <<'END'\n{text}\nEND")
