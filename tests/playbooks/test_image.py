"""Role image on real hosts: one image, the same on all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from container_hosts import LabHosts
from small_image import NAME, put_small_image, save_small_image

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

PLAYS = ("validate.yml", "image.yml")


@pytest.fixture(scope="module")
def hosts(lab_hosts: LabHosts) -> LabHosts:
    """The hosts once ssh and docker ran: without NFS the image comes over the one to the other."""
    lab_hosts.play("validate.yml", "ssh.yml", "docker.yml")
    return lab_hosts


@pytest.fixture(autouse=True)
def without_image(hosts: LabHosts) -> None:
    """Each test begins with hosts that have no such image, whatever was tested before."""
    for host in hosts.containers:
        hosts.on(host, "docker", "image", "rm", "--force", NAME, check=False)


@pytest.fixture
def archive(hosts: LabHosts, tmp_path: Path) -> Path:
    """What `docker save` made of the image."""
    return save_small_image(hosts.docker, tmp_path)


def _from(archive: Path) -> dict[str, object]:
    return {"lab_image": NAME, "image_source": "archive", "image_archive": str(archive)}


def _ids(hosts: LabHosts) -> list[str]:
    inspect = ("docker", "image", "inspect", "-f", "{{.Id}}", NAME)
    return [hosts.on(host, *inspect, check=False).strip() for host in hosts.containers]


def _left(hosts: LabHosts) -> str:
    return hosts.on("host0", "sh", "-c", "ls -A /share /var/tmp | grep mrunkit", check=False)


def test_an_archive_comes_to_all_hosts(hosts: LabHosts, archive: Path) -> None:
    """All have the same image, no file of it is left, and a second run changes nothing."""
    checked = hosts.play(*PLAYS, "--check", **_from(archive))
    before = _ids(hosts)
    hosts.play(*PLAYS, **_from(archive))
    again = hosts.play(*PLAYS, **_from(archive))
    checked_again = hosts.play(*PLAYS, "--check", **_from(archive))

    assert set(checked.changed.values()) == {1}
    assert set(before) == {""}
    ids = _ids(hosts)
    assert len(set(ids)) == 1
    assert ids[0].startswith("sha256:")
    assert _left(hosts) == ""
    assert set(again.changed.values()) == set(checked_again.changed.values()) == {0}


def test_a_host_with_another_image_of_that_name_gets_the_right_one(
    hosts: LabHosts, archive: Path, tmp_path: Path
) -> None:
    """Only hosts that differ are sent anything."""
    put_small_image(hosts, archive, "host0", "host1")
    put_small_image(hosts, save_small_image(hosts.docker, tmp_path, marker="2"), "host2")
    before = set(_ids(hosts))

    played = hosts.play(*PLAYS, **_from(archive))

    assert len(before) == 2
    assert len(set(_ids(hosts))) == 1
    assert played.changed["host0"] == 0


def test_what_a_cut_off_run_left_is_cleared_away(hosts: LabHosts, archive: Path) -> None:
    """A file on its way to the others, from a run that ended there, does not stay."""
    put_small_image(hosts, archive, *hosts.containers)
    hosts.on(
        "host0",
        "sh",
        "-c",
        "touch /var/tmp/.mrunkit-image.tar; ! [ -d /share ] || touch /share/.mrunkit-image.tar",
    )

    hosts.play(*PLAYS, **_from(archive))

    assert _left(hosts) == ""


def test_what_others_put_in_its_place_leads_nowhere(hosts: LabHosts, archive: Path) -> None:
    """All users may write there: no path of theirs is removed, and no link of theirs followed."""
    put_small_image(hosts, archive, *hosts.containers)
    place = "/share/.mrunkit-image.tar"
    hosts.on("host0", "sh", "-c", f"mkdir -p {place} /usr/games && touch '{place}/~games'")
    hosts.play(*PLAYS, **_from(archive))
    kept = hosts.present("host0", "/usr/games")
    hosts.on("host0", "sh", "-c", f"rm -r {place} && ln -s /etc/hostname {place}")
    put_small_image(hosts, archive, "host0")
    hosts.on("host1", "docker", "image", "rm", "--force", NAME)
    hosts.play(*PLAYS, lab_image=NAME)

    assert kept == ["/usr/games"]
    assert hosts.on("host0", "cat", "/etc/hostname").strip() == "host0"
    assert len(set(_ids(hosts))) == 1
    assert _left(hosts) == ""


def test_a_file_that_is_no_archive_is_refused(hosts: LabHosts, tmp_path: Path) -> None:
    """The message names the file, and how to make one."""
    wrong = tmp_path / "wrong.tar"
    wrong.write_text("no archive")

    played = hosts.play(*PLAYS, **_from(wrong), check=False)

    assert played.status != 0
    assert f"docker save -o FILE {NAME}" in " ".join(played.output.split())


def test_an_image_is_built_once_and_comes_to_all_hosts(hosts: LabHosts, tmp_path: Path) -> None:
    """From a directory with a Dockerfile, on one host; the arguments and the target count."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox on this machine")
    shutil.copy(busybox, tmp_path / "busybox")
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "Dockerfile").write_text(
        "FROM scratch AS runtime\nARG RACK\nLABEL rack=$RACK\nCOPY busybox /bin/sh\nFROM runtime\n"
    )
    variables: dict[str, object] = {
        "lab_image": NAME,
        "image_source": "build",
        "image_build_context": str(tmp_path),
        "image_build_dockerfile": "small/Dockerfile",
        "image_build_target": "runtime",
        "image_build_arguments": {"RACK": "a"},
    }

    hosts.play(*PLAYS, **variables)
    again = hosts.play(*PLAYS, **variables)

    label = hosts.on("host2", "docker", "image", "inspect", "-f", "{{.Config.Labels.rack}}", NAME)
    assert label.strip() == "a"
    assert len(set(_ids(hosts))) == 1
    assert set(again.changed.values()) == {0}


def test_no_image_is_no_work(hosts: LabHosts) -> None:
    """With lab_image empty, jobs run on the hosts themselves."""
    played = hosts.play(*PLAYS, lab_image="")

    assert set(played.changed.values()) == {0}


def test_teardown_removes_the_image(hosts: LabHosts, archive: Path) -> None:
    """From all hosts; a second one changes nothing."""
    put_small_image(hosts, archive, *hosts.containers)

    hosts.play("teardown.yml", "--tags", "image", lab_image=NAME)
    left = _ids(hosts)
    again = hosts.play("teardown.yml", "--tags", "image", lab_image=NAME)

    assert set(left) == {""}
    assert set(again.changed.values()) == {0}
