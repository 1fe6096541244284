"""The role frameworks: Marathon beside MPI.

Marathon is retired, large, and cannot be downloaded where these tests run: a stand-in takes its
flags, reads the secret, and answers /ping. ZooKeeper and Java are left out for the same reason.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from container_hosts import LabHosts

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

STEPS = ("validate.yml", "frameworks.yml")

MARATHON = """#!/usr/bin/env python3
import argparse, http.server, pathlib

parser = argparse.ArgumentParser()
names = "master zk hostname http_address mesos_authentication_principal"
for name in names.split():
    parser.add_argument("--" + name, required=True)
parser.add_argument("--http_port", type=int, required=True)
parser.add_argument("--mesos_authentication", action="store_true", required=True)
parser.add_argument("--mesos_authentication_secret_file", type=pathlib.Path, required=True)
flags = parser.parse_args()
assert len(flags.mesos_authentication_secret_file.read_text()) == 40

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ping" else 404)
        self.end_headers()

http.server.HTTPServer((flags.http_address, flags.http_port), Answer).serve_forever()
"""


@pytest.fixture(scope="module")
def marathon(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The role's variables for a stand-in."""
    path = tmp_path_factory.mktemp("marathon") / "marathon.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("marathon-1.11/bin/marathon")
        member.mode, member.size = 0o755, len(MARATHON)
        tar.addfile(member, io.BytesIO(MARATHON.encode()))
    return {
        "frameworks_enabled": ["marathon"],
        "frameworks_packages": [],
        "frameworks_marathon_archive": str(path),
        "frameworks_marathon_archive_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def test_none_runs_unless_asked_for(lab_hosts: LabHosts) -> None:
    """By default nothing is changed."""
    assert set(lab_hosts.play(*STEPS).changed.values()) == {0}


def test_marathon_runs_with_the_labs_credentials(
    lab_hosts: LabHosts, marathon: dict[str, object]
) -> None:
    """From a bare host, where a dry run passes, to a second run that changes nothing."""
    assert set(lab_hosts.play(*STEPS, "--check", **marathon).failed.values()) == {0}
    lab_hosts.play(*STEPS, **marathon)
    try:
        ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/ping').status)"
        assert lab_hosts.on("host0", "python3", "-c", ask) == "200\n"
        words = lab_hosts.on(
            "host0", "systemctl", "show", "--value", "--property=ExecStart", "marathon"
        )
        secret = Path(lab_hosts.directory / ".mrunkit/mesos-secret").read_text().strip()
        assert secret not in words
        for dry in ((), ("--check",)):
            assert set(lab_hosts.play(*STEPS, *dry, **marathon).changed.values()) == {0}
    finally:
        lab_hosts.play("teardown.yml", "--tags", "frameworks")
    assert not lab_hosts.present("host0", "/opt/marathon")


def test_a_framework_from_nowhere_is_refused(lab_hosts: LabHosts) -> None:
    """Chronos without an archive: the message says what to set."""
    played = lab_hosts.play(*STEPS, check=False, frameworks_enabled=["chronos"])
    assert "Set frameworks_chronos_archive" in played.output
    assert set(played.changed.values()) == {0}


def test_a_framework_that_would_find_no_library_is_refused(
    lab_hosts: LabHosts, marathon: dict[str, object]
) -> None:
    """The maintained fork's packages have none for Java."""
    fork = {"mesos_install": "packages", "mesos_package": "aventer-mesos"}
    played = lab_hosts.play(*STEPS, check=False, **marathon, **fork)
    assert "Set frameworks_native_library" in " ".join(played.output.split())
    assert set(played.changed.values()) == {0}
