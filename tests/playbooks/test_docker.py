"""Role docker on real hosts: an engine of an allowed version, and its settings beside others'."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from container_hosts import CONTAINER_SKIPS, LabHosts
from small_image import NAME, put_small_image, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PLAYS = ("validate.yml", "docker.yml")
DAEMON = "/etc/docker/daemon.json"

REPOSITORY = "https://docker.example.org/linux/debian"
NAME_REPOSITORY = """
- hosts: host1
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {name: docker, tasks_from: repository-Debian.yml}
"""
SOURCES = "/etc/apt/sources.list.d"
OTHERS = {
    "docker.list": f"deb [signed-by=/etc/apt/keyrings/docker.asc] {REPOSITORY}/ bookworm stable",
    "docker.sources": f"Types: deb\nURIs: {REPOSITORY}\nSuites: bookworm\nComponents: stable\n"
    "Signed-By: /etc/apt/keyrings/docker.asc",
}
"""Of Docker's manual."""


def _daemon(hosts: LabHosts, host: str) -> Any:
    return json.loads(hosts.seen(host).file(DAEMON).content_string)


def _put_daemon(hosts: LabHosts, host: str, text: str) -> None:
    hosts.on(host, "sh", "-c", f"echo '{text}' > {DAEMON}")


@contextmanager
def _stand_in(hosts: LabHosts, host: str, name: str, said: str) -> Iterator[None]:
    """Have a command say something else for a while; the service runs the real one."""
    path = f"/usr/local/sbin/{name}"
    hosts.on(host, "sh", "-c", f"printf '#!/bin/sh\necho \"{said}\"\n' > {path}; chmod 755 {path}")
    try:
        yield
    finally:
        hosts.on(host, "rm", path)


def _pid(hosts: LabHosts, host: str) -> str:
    return hosts.on(host, "cat", "/run/docker.pid")


def test_check_mode_tells_the_changes_and_makes_none(lab_hosts: LabHosts) -> None:
    """--check on hosts without the role's settings says so, and leaves them without."""
    lab_hosts.play("teardown.yml", "--tags", "docker")

    checked = lab_hosts.play(*PLAYS, "--check")

    assert min(checked.changed.values()) > 0
    assert lab_hosts.seen("host1").file("/etc/docker").listdir() == ["key.json"]


def test_a_second_run_changes_nothing(lab_hosts: LabHosts) -> None:
    """Logs are rotated and the package is held; then neither a run nor --check changes anything."""
    lab_hosts.play(*PLAYS)

    again, checked = lab_hosts.play(*PLAYS), lab_hosts.play(*PLAYS, "--check")
    service = lab_hosts.seen("host1").service("docker")

    assert _daemon(lab_hosts, "host1") == {
        "log-driver": "json-file",
        "log-opts": {"max-file": "3", "max-size": "10m"},
    }
    assert (service.is_running, service.is_enabled) == (True, True)
    assert lab_hosts.on("host1", "apt-mark", "showhold").split() == ["docker.io"]
    assert set(again.changed.values()) == set(checked.changed.values()) == {0}


def test_settings_of_others_stay_in_daemon_json(lab_hosts: LabHosts) -> None:
    """What somebody else set there is there afterwards, and after a teardown, too."""
    lab_hosts.play(*PLAYS)
    theirs = {"labels": ["rack=a"], "log-opts": {"max-file": "9", "compress": "true"}}
    _put_daemon(lab_hosts, "host2", json.dumps(theirs))

    lab_hosts.play(*PLAYS)
    merged = _daemon(lab_hosts, "host2")
    lab_hosts.play("teardown.yml", "--tags", "docker", "--limit", "host2")
    left = _daemon(lab_hosts, "host2")
    lab_hosts.on("host2", "rm", DAEMON)

    assert merged["labels"] == left["labels"] == ["rack=a"]
    assert merged["log-opts"] == {"max-file": "9", "max-size": "10m", "compress": "true"}
    assert left == theirs


def test_a_log_driver_of_the_host_stays(lab_hosts: LabHosts) -> None:
    """Docker starts with it; where the lab is to have another one, teardown brings it back."""
    lab_hosts.play(*PLAYS)
    theirs = {"log-driver": "syslog", "log-opts": {"syslog-address": "udp://192.0.2.1:514"}}
    _put_daemon(lab_hosts, "host2", json.dumps(theirs))
    only = ("--limit", "host2")

    first = lab_hosts.play(*PLAYS, *only)
    kept = _daemon(lab_hosts, "host2")
    changed = lab_hosts.play(*PLAYS, *only, docker_daemon_options={"log-driver": "json-file"})
    lab_hosts.on("host2", "systemctl", "restart", "docker")
    replaced = _daemon(lab_hosts, "host2")
    again = lab_hosts.play(*PLAYS, *only, docker_daemon_options={"log-driver": "json-file"})
    lab_hosts.play("teardown.yml", "--tags", "docker", *only)
    left = _daemon(lab_hosts, "host2")
    lab_hosts.on("host2", "rm", DAEMON)

    assert (first.changed, kept) == ({"host2": 0}, theirs)
    assert "does not do with log-driver, log-opts.syslog-address" in " ".join(
        changed.output.split()
    )
    assert replaced["log-opts"] == {"max-file": "3", "max-size": "10m"}
    assert again.changed == {"host2": 0}
    assert left == theirs


def test_options_of_the_daemon_itself_are_not_set_twice(lab_hosts: LabHosts) -> None:
    """Docker would not start."""
    lab_hosts.play("teardown.yml", "--tags", "docker", "--limit", "host2")
    option = "echo 'DOCKER_OPTS=\"--log-driver=journald\"' > /etc/default/docker"
    lab_hosts.on("host2", "sh", "-c", option)

    lab_hosts.play(*PLAYS, "--limit", "host2")
    lab_hosts.on("host2", "systemctl", "restart", "docker")
    driver = lab_hosts.on("host2", "docker", "info", "-f", "{{.LoggingDriver}}").strip()
    lab_hosts.on("host2", "rm", "/etc/default/docker")
    lab_hosts.on("host2", "systemctl", "restart", "docker")

    assert driver == "journald"


def test_settings_that_docker_does_not_take_are_not_written(lab_hosts: LabHosts) -> None:
    """From 23 on Docker can be asked; the file stays as it was."""
    lab_hosts.play(*PLAYS)
    before = _daemon(lab_hosts, "host1")
    says = 'Docker version 24.0.9, build 0"; case $* in *validate*) echo bad >&2; exit 1;; esac; "'
    with _stand_in(lab_hosts, "host1", "dockerd", says):
        played = lab_hosts.play(*PLAYS, "--limit", "host1", check=False, docker_log_max_size="20m")

    assert played.failed == {"host1": 1}
    assert "does not take the lab's settings beside its own: bad" in " ".join(played.output.split())
    assert _daemon(lab_hosts, "host1") == before


def test_a_newer_docker_than_allowed_is_refused(lab_hosts: LabHosts) -> None:
    """The message names host, version, limit and remedy; Docker stays as it is."""
    version = lab_hosts.on("host1", "docker", "version", "-f", "{{.Server.Version}}").strip()

    played = lab_hosts.play(*PLAYS, docker_max_major=19, check=False)

    said = " ".join(played.output.split())
    assert any(played.failed.values())
    assert f"host0, host1, host2: has Docker {version}; docker_max_major is 19" in said
    assert "aventer-mesos" in said


def test_a_version_is_not_replaced_unasked(lab_hosts: LabHosts) -> None:
    """Another docker_version than the host's is a message: replacing it would end containers."""
    played = lab_hosts.play(*PLAYS, docker_version="25.0", check=False)

    assert played.status != 0
    assert "docker_upgrade=true" in played.output


def test_live_restore_is_refused(lab_hosts: LabHosts) -> None:
    """No swarm works with it, so it is told before anything is changed."""
    _put_daemon(lab_hosts, "host2", '{"live-restore": true}')

    played = lab_hosts.play(*PLAYS, check=False)
    left = _daemon(lab_hosts, "host2")
    lab_hosts.on("host2", "rm", DAEMON)

    assert played.failed["host2"] == 1
    assert "host2 has live-restore on" in played.output
    assert left == {"live-restore": True}


def test_broken_daemon_json_is_refused(lab_hosts: LabHosts) -> None:
    """A file that is no JSON is somebody's work: it is named, not replaced."""
    _put_daemon(lab_hosts, "host2", '{"labels": [')

    played = lab_hosts.play(*PLAYS, check=False)
    left = lab_hosts.seen("host2").file(DAEMON).content_string
    lab_hosts.on("host2", "rm", DAEMON)

    assert played.failed["host2"] == 1
    assert "/etc/docker/daemon.json on host2 is not valid JSON" in " ".join(played.output.split())
    assert left.strip() == '{"labels": ['


def test_a_restart_that_was_cut_off_is_made_up_for(lab_hosts: LabHosts) -> None:
    """A run that ended between daemon.json and the restart: the next one restarts Docker, once."""
    lab_hosts.play(*PLAYS)
    lab_hosts.on("host1", "touch", "/var/lib/mrunkit/docker-restart")
    before = _pid(lab_hosts, "host1"), _pid(lab_hosts, "host2")

    lab_hosts.play(*PLAYS)
    after = _pid(lab_hosts, "host1"), _pid(lab_hosts, "host2")
    again = lab_hosts.play(*PLAYS)

    assert (before[0] == after[0], before[1] == after[1]) == (False, True)
    assert set(again.changed.values()) == {0}


def test_running_containers_are_not_ended_unasked(lab_hosts: LabHosts, tmp_path: Path) -> None:
    """Where containers run, new settings wait until somebody says that they may end."""
    lab_hosts.play(*PLAYS)
    put_small_image(lab_hosts, save_small_image(lab_hosts.docker, tmp_path), "host1")
    lab_hosts.on("host1", "docker", "run", "-d", "--name", "job", NAME, "sleep", "1000")

    refused = lab_hosts.play(*PLAYS, "--limit", "host1", check=False, docker_log_max_size="20m")
    running = lab_hosts.on("host1", "docker", "ps", "-q").split()
    allowed = lab_hosts.play(
        *PLAYS, "--limit", "host1", docker_log_max_size="20m", docker_may_restart=True
    )
    size = _daemon(lab_hosts, "host1")["log-opts"]["max-size"]
    lab_hosts.on("host1", "docker", "rm", "-f", "job")
    lab_hosts.on("host1", "docker", "image", "rm", NAME)

    assert refused.failed["host1"] == 1
    assert "docker_may_restart=true" in refused.output
    assert len(running) == 1
    assert allowed.status == 0
    assert size == "20m"


def test_images_of_new_engines_have_the_ids_of_old_ones(lab_hosts: LabHosts) -> None:
    """29 is told to keep images as the others do, and is asked only once."""
    with _stand_in(lab_hosts, "host1", "dockerd", "Docker version 29.4.0, build 0"):
        lab_hosts.play(*PLAYS, docker_max_major="")
        features = [_daemon(lab_hosts, host).get("features") for host in ("host1", "host2")]
        again = lab_hosts.play(*PLAYS, docker_max_major="")
        lab_hosts.play("teardown.yml", "--tags", "docker", "--limit", "host1")
        left = lab_hosts.seen("host1").file("/etc/docker").listdir()

    assert features == [{"containerd-snapshotter": False}, None]
    assert set(again.changed.values()) == {0}
    assert left == ["key.json"]


def test_images_are_not_put_out_of_sight_unasked(lab_hosts: LabHosts) -> None:
    """Those in containerd's store stay as they are until somebody says otherwise."""
    lab_hosts.play(*PLAYS)
    info = "[driver-type io.containerd.snapshotter.v1]"
    with (
        _stand_in(lab_hosts, "host1", "dockerd", "Docker version 29.4.0, build 0"),
        _stand_in(lab_hosts, "host1", "docker", info),
    ):
        played = lab_hosts.play(*PLAYS, check=False, docker_max_major="")

    assert played.failed == {"host0": 0, "host1": 1, "host2": 0}
    assert "its 1 images in containerd's store" in " ".join(played.output.split())
    assert "features" not in _daemon(lab_hosts, "host1")


@pytest.mark.parametrize(
    ("version", "is_encrypted", "is_told"),
    [("29.1.3", True, True), ("29.1.3", False, False), ("29.2.1", True, False)],
)
def test_engines_with_other_keys_are_refused(
    lab_hosts: LabHosts, version: str, is_encrypted: bool, is_told: bool
) -> None:
    """Where the network is encrypted, before anything is changed, with the hosts that differ."""
    settings = {
        "lab_network_is_encrypted": is_encrypted,
        "validate_skip": [*CONTAINER_SKIPS, "encryption"],
        "docker_max_major": "",
    }
    with _stand_in(lab_hosts, "host1", "dockerd", f"Docker version {version}, build 0"):
        played = lab_hosts.play(*PLAYS, "--check", check=False, **settings)

    said = f"host1 has or would have Docker {version} and host0" in " ".join(played.output.split())
    assert (said, played.status != 0) == (is_told, is_told)


@pytest.mark.parametrize("other", [None, *OTHERS])
def test_a_repository_that_the_host_names_is_not_named_again(
    lab_hosts: LabHosts, other: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another key apt would read no source at all, as after an earlier run that did so."""
    play = tmp_path / "play.yml"
    play.write_text(NAME_REPOSITORY)
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", "roles")
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    lab_hosts.on("host1", "sh", "-c", f"printf '%s' '{key}' > /root/docker.gpg")
    variables = {
        "docker_repository_url": REPOSITORY,
        "docker_repository_key_url": "file:///root/docker.gpg",
        "docker_repository_key_sha256": hashlib.sha256(key.encode()).hexdigest(),
    }
    lab_hosts.play(play, **variables)
    if other:
        lab_hosts.on("host1", "sh", "-c", f"echo '{OTHERS[other]}' > {SOURCES}/{other}")

    lab_hosts.play(play, **variables)
    again = lab_hosts.play(play, **variables)
    found = lab_hosts.seen("host1").file(SOURCES).listdir()
    read = lab_hosts.on("host1", "apt-get", "update", "--print-uris", check=False)
    lab_hosts.on("host1", "sh", "-c", f"rm {SOURCES}/*docker* /root/docker.gpg")

    assert again.changed == {"host1": 0}
    assert found == [other or "mrunkit-docker.list"]
    assert f"'{REPOSITORY}/dists/bookworm/InRelease'" in read


def test_packages_that_keep_docker_out_are_named(lab_hosts: LabHosts) -> None:
    """Where Docker is yet to come: podman and its runc are somebody's, and stay."""
    with _stand_in(lab_hosts, "host1", "rpm", "runc podman "):
        fine = lab_hosts.play(*PLAYS, "--check", docker_source="repository")
        with _stand_in(lab_hosts, "host1", "dockerd", ""):
            played = lab_hosts.play(*PLAYS, "--check", check=False, docker_source="repository")

    assert fine.status == 0
    assert played.failed == {"host0": 0, "host1": 1, "host2": 0}
    assert "run `dnf remove podman runc` on it" in " ".join(played.output.split())
