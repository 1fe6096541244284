"""What is run as root was put there by root: parts of the role mpich, on this machine."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import jinja2
import pytest
from ansible_here import needs_ansible, play_here
from playbook_plugins import PLAYBOOKS

pytestmark = [
    needs_ansible,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else"),
]

NOBODY = 65534
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: mpich, tasks_from: preflight.yml}
"""


def look(share: Path) -> subprocess.CompletedProcess[str]:
    """Let the role see what MPICH is on a share."""
    variables = {
        "ansible_facts": {"os_family": "Debian", "distribution_major_version": "12"},
        "inventory_hostname": "localhost",
        "lab_share": str(share),
        "lab_storage_host": "localhost",
        "mpich_install": "source",
        "mpich_version": "4.1.2",
        "mpich_source": "mpich.tar.gz",
        "mpich_source_sha256": 64 * "0",
        "mpich_source_home": str(share / "mpich" / "4.1.2"),
    }
    return play_here(PLAY, variables, directory=share.parent)


def programs(directory: Path) -> Path:
    """An MPICH there that tells when it is run; returns the file that it makes then."""
    (directory / "bin").mkdir(parents=True)
    ran = directory.parents[2] / "ran"
    for name in ("mpicc", "hydra_pmi_proxy", "mpiexec.hydra"):
        (directory / "bin" / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (directory / "bin" / name).chmod(0o755)
    return ran


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A share that all may write into."""
    share = tmp_path / "share"
    share.mkdir()
    share.chmod(0o1777)
    return share


@pytest.mark.parametrize("theirs", ["mpich", "mpich/4.1.2"])
def test_what_another_put_on_the_share_is_not_run(share: Path, theirs: str) -> None:
    """Neither all of it nor a part; the remedy names it."""
    ran = programs(share / "mpich" / "4.1.2")
    os.chown(share / theirs, NOBODY, NOBODY)
    looked = look(share)
    assert looked.returncode == 2
    assert f"{share / theirs} is not a directory that only root may write in" in looked.stdout
    assert not ran.exists()


def test_a_link_is_not_followed(share: Path, tmp_path: Path) -> None:
    """It is another's, wherever it leads."""
    (tmp_path / "elsewhere").mkdir()
    (share / "mpich").symlink_to(tmp_path / "elsewhere")
    assert look(share).returncode == 2


def test_what_root_has_built_is_run(share: Path) -> None:
    """To see its version."""
    ran = programs(share / "mpich" / "4.1.2")
    assert look(share).returncode == 0
    assert ran.exists()


def test_the_directory_is_made_before_others_can(share: Path) -> None:
    """Root's, from the first moment on."""
    assert look(share).returncode == 0
    made = (share / "mpich").stat()
    assert (made.st_uid, made.st_mode & 0o7777) == (0, 0o755)


def test_it_is_built_where_nobody_else_can_write(tmp_path: Path) -> None:
    """Names in /var/tmp that can be foreseen are anybody's to take."""
    home = tmp_path / "4.1.2"
    configure = b"#!/bin/sh\nstat -c '%u %a' . >&2\npwd >&2\nexit 1\n"
    with tarfile.open(f"{home}.fetched", "w") as tar:
        member = tarfile.TarInfo("mpich-4.1.2/configure")
        member.mode, member.size = 0o755, len(configure)
        tar.addfile(member, io.BytesIO(configure))
    environment = jinja2.Environment(autoescape=False)
    environment.filters["quote"] = shlex.quote
    text = (PLAYBOOKS / "roles/mpich/templates/build.sh.j2").read_text()
    script = environment.from_string(text).render(
        mpich_home=str(home), mpich_version="4.1.2", mpich_configure=[], mpich_cflags=""
    )
    told = [
        subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, text=True, check=False).stderr
        for _ in range(2)
    ]
    (owner, first, log), (_, second, _) = (text.splitlines() for text in told)
    assert log == f"all of it: {home}.log"
    assert owner == f"{os.geteuid()} 700"
    assert first != second
    assert not Path(first).exists()
