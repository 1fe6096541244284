"""Where a job's files are, on the host and in the containers, and when they are gone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mrunkit.containers.options import ContainerOptions
from mrunkit.containers.staging import (
    OWNER_FILE,
    Staged,
    StagingError,
    stage,
    staging_directories,
)
from mrunkit.process_identity import ProcessIdentity

CLIENT = ProcessIdentity(hostname="here", pid=7, started=9)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A share, with a program on it."""
    share = tmp_path / "share"
    (share / "bin").mkdir(parents=True)
    (share / "bin" / "there").touch(mode=0o755)
    return share


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that is not on the share."""
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def staged(share: Path, program: Path, workdir: Path, *, is_in_image: bool = False) -> Staged:
    """Stage a program for job `1`."""
    options = ContainerOptions(image="mpi", user="1:1", share=str(share), is_in_image=is_in_image)
    return stage(str(program), str(workdir), options, job_id="1", client=CLIENT)


def test_what_is_on_the_share_is_not_copied(share: Path) -> None:
    """Program and directory keep their places, as the containers see them."""
    found = staged(share, share / "bin" / "there", share / "bin")
    assert found == Staged(
        share=str(share), program="/share/bin/there", workdir="/share/bin", directory=None
    )
    assert sorted(share.rglob("*")) == [share / "bin", share / "bin" / "there"]


def test_a_link_to_the_share_is_on_the_share(share: Path, tmp_path: Path) -> None:
    """Home directories often are links."""
    (tmp_path / "link").symlink_to(share)
    found = staged(share, tmp_path / "link" / "bin" / "there", tmp_path / "link")
    assert (found.program, found.workdir, found.directory) == ("/share/bin/there", "/share", None)


def test_a_program_from_elsewhere_is_copied_and_removed(share: Path, program: Path) -> None:
    """It runs in a directory of its own on the share, which ends with the job."""
    found = staged(share, program, program.parent)
    directory = share / ".mrunkit-job-1"
    assert found == Staged(
        share=str(share),
        program="/share/.mrunkit-job-1/hello",
        workdir="/share/.mrunkit-job-1",
        directory=directory,
    )
    assert os.access(directory / "hello", os.X_OK)
    found.remove()
    assert list(share.glob(".mrunkit*")) == []


def test_a_program_in_the_image_keeps_its_path(share: Path) -> None:
    """Only the working directory is staged."""
    found = staged(share, Path("/usr/local/bin/mpi-hello"), Path("/nowhere"), is_in_image=True)
    assert (found.program, found.workdir) == ("/usr/local/bin/mpi-hello", "/share/.mrunkit-job-1")


def test_a_job_stages_in_no_directory_that_it_did_not_make(share: Path, program: Path) -> None:
    """Whoever made it could put another program in the place of ours."""
    theirs = share / ".mrunkit-job-1"
    theirs.mkdir()
    with pytest.raises(StagingError, match=r"cannot stage hello in .*: File exists"):
        staged(share, program, share)
    assert list(theirs.iterdir()) == []


def test_a_share_that_is_not_there_is_refused(tmp_path: Path, program: Path) -> None:
    """The remedy is the option that names it."""
    with pytest.raises(StagingError, match="there is no share") as error:
        staged(tmp_path / "nowhere", program, tmp_path)
    assert "--share" in (error.value.remedy or "")


def test_a_failed_copy_leaves_nothing(share: Path, tmp_path: Path) -> None:
    """The program may have gone meanwhile."""
    with pytest.raises(StagingError, match="cannot stage gone"):
        staged(share, tmp_path / "gone", share)
    assert list(share.glob(".mrunkit*")) == []


def test_staging_directories_are_found_with_their_clients(share: Path, program: Path) -> None:
    """So that gc can tell whose they are; without a readable owner they are nobody's."""
    staged(share, program, share)
    for job, text in (("2", None), ("3", "")):
        directory = share / f".mrunkit-job-{job}"
        directory.mkdir()
        if text is not None:
            (directory / OWNER_FILE).write_text(text)
    found = [one for one in staging_directories([share]) if one.path.is_relative_to(share)]
    assert [(one.path.name, one.client) for one in found] == [
        (".mrunkit-job-1", CLIENT),
        (".mrunkit-job-2", None),
        (".mrunkit-job-3", None),
    ]


def test_links_that_others_put_on_a_share_lead_gc_nowhere(share: Path, tmp_path: Path) -> None:
    """It would remove what is old there."""
    old = tmp_path / "home" / "thesis"
    old.mkdir(parents=True)
    for name in (".mrunkit", ".mrunkit-job-2"):
        (share / name).symlink_to(old.parent)
    found = [one.path for one in staging_directories([share]) if one.path.is_relative_to(tmp_path)]
    assert found == []


def test_what_should_tell_its_client_may_be_anything(share: Path) -> None:
    """gc neither waits for a pipe, nor follows a link, nor minds bytes that are no text."""
    directory = share / ".mrunkit-job-2"
    directory.mkdir()
    (share / "told").write_text(f"{CLIENT}\n")
    for make in (
        lambda file: os.mkfifo(file),
        lambda file: file.symlink_to(share / "told"),
        lambda file: file.write_bytes(b"\xff" * 10_000),
    ):
        make(directory / OWNER_FILE)
        found = [one for one in staging_directories([share]) if one.path == directory]
        assert [one.client for one in found] == [None]
        (directory / OWNER_FILE).unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_gc_leaves_directories_of_others_to_them() -> None:
    """Only root can remove them."""
    with tempfile.TemporaryDirectory() as name:
        share = Path(name)
        share.chmod(0o755)
        directory = share / ".mrunkit-job-1"
        directory.mkdir()

        def found() -> list[Path]:
            return [one.path for one in staging_directories([share]) if one.path.parent == share]

        assert found() == [directory]
        os.seteuid(65534)
        try:
            assert found() == []
        finally:
            os.seteuid(0)
