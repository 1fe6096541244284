"""Teardown takes out what bootstrap put in, and nothing that only goes by the same names."""

from __future__ import annotations

import pytest
from container_hosts import CONTAINER_SKIPS, LabHosts

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

UNITS = ("zookeeper", "mesos-master", "marathon")
FILES = (
    *(f"/etc/systemd/system/{unit}.service" for unit in UNITS),
    "/var/lib/zookeeper/version-2/log.1",
    "/opt/zookeeper/bin/zkServer.sh",
    "/etc/mesos/zk",
    "/etc/mesos/credentials.json",
    "/opt/mesos/current/bin/mesos-agent",
    "/var/lib/mesos/master/log",
    "/etc/apt/sources.list.d/mesos.list",
    "/opt/marathon/bin/marathon",
    "/opt/marathon/secret",
    "/opt/mpich/bin/mpicc",
)
"""What somebody else may have put there."""
PREPARE = f"""
set -e
for file in {" ".join(FILES)}; do mkdir -p "${{file%/*}}"; echo theirs > "$file"; done
ln -s /dev/null /etc/systemd/system/mesos-slave.service
for unit in {" ".join(UNITS)}; do
    printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /etc/systemd/system/$unit.service
done
mkdir /tmp/mesos /tmp/mesos/DEBIAN
printf '%s\\n' 'Package: mesos' 'Version: 1' 'Architecture: all' 'Maintainer: a <a@localhost>' \
    'Description: a' > /tmp/mesos/DEBIAN/control
dpkg-deb --build /tmp/mesos /tmp/mesos.deb && dpkg --install /tmp/mesos.deb
systemctl daemon-reload
systemctl start {" ".join(UNITS)}
"""


@pytest.fixture(scope="module")
def theirs(start_hosts) -> LabHosts:  # type: ignore[no-untyped-def]
    """Hosts that were never bootstrapped; host0 has what is called like the lab's."""
    hosts: LabHosts = start_hosts(2)
    hosts.on("host0", "sh", "-c", PREPARE)
    return hosts


def test_what_bootstrap_never_put_in_stays(theirs: LabHosts) -> None:
    """Files, daemons, packages and masks: nothing at all is changed."""
    variables = {"mesos_install": "packages", "mesos_repository": "none"}
    played = theirs.play("teardown.yml", **variables)

    assert theirs.present("host0", *FILES) == list(FILES)
    assert all(theirs.seen("host0").service(unit).is_running for unit in UNITS)
    assert theirs.seen("host0").package("mesos").is_installed
    assert theirs.seen("host0").file("/etc/systemd/system/mesos-slave.service").is_symlink
    assert "WARNING: " not in played.output


def test_another_zookeeper_is_not_replaced(theirs: LabHosts) -> None:
    """Neither its unit nor its data; both are told, with what to do."""
    before = theirs.on("host0", "cat", *FILES)
    steps = ("validate.yml", "mesos.yml", "--tags", "zookeeper")
    skips = [*CONTAINER_SKIPS, "taken"]  # of the Mesos and the MPICH beside it
    played = theirs.play(*steps, check=False, zookeeper_is_needed=True, validate_skip=skips)

    said = " ".join(played.output.split())
    assert played.failed["host0"] == 1
    assert "host0 has a zookeeper.service that is not the lab's" in said
    assert "such as /var/lib/zookeeper/version-2/log.1. Set zookeeper_data_dir" in said
    assert theirs.on("host0", "cat", *FILES) == before
    assert set(played.changed.values()) == {0}


def test_only_a_share_of_the_labs_is_removed(theirs: LabHosts) -> None:
    """A directory of that name that bootstrap never shared stays with all its files."""
    steps, words = ("teardown.yml", "--tags", "nfs"), {"teardown_remove_share": True}
    theirs.on("host0", "sh", "-c", "mkdir -p /share /var/lib/mrunkit && touch /share/results")

    theirs.play(*steps, **words, nfs_provides_share=True)
    assert theirs.present("host0", "/share/results")

    theirs.on("host0", "sh", "-c", "echo share /share > /var/lib/mrunkit/nfs")
    theirs.play(*steps, **words, nfs_provides_share=True)
    assert not theirs.present("host0", "/share", "/var/lib/mrunkit/nfs")


def test_what_is_mounted_at_the_share_stays(theirs: LabHosts) -> None:
    """Where bootstrap has not mounted it, whoever is said to provide it."""
    theirs.on("host1", "sh", "-c", "mkdir -p /share && mount -t tmpfs tmpfs /share")
    for provides in (False, True):
        theirs.play("teardown.yml", "--tags", "nfs", nfs_provides_share=provides)
        assert theirs.seen("host1").mount_point("/share").exists
