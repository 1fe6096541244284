"""What an inventory fills in of the command line of `run`, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_options import OPTIONS

from mrunkit.cli.run_in_lab import in_lab, require_share
from mrunkit.cli.run_options import RunOptions
from mrunkit.errors import MrunkitError, UsageError
from mrunkit.provision.lab import Lab, parse_lab, read_defaults
from mrunkit.provision.packaged import playbooks_directory

NONE_GIVEN = replace(OPTIONS, master="", program=("./hello",), nodes=1, procs=None)
"""The master is the inventory's to tell."""


def lab(directory: Path, masters: int = 1, **variables: Any) -> Lab:
    """A lab with the defaults of the playbooks, but for these variables."""
    names = [f"host{number}" for number in range(masters)]
    hostvars = {
        name: {"lab_address": f"192.0.2.{number}", **variables}
        for number, name in enumerate([*names, "agent"])
    }
    listing = {
        "_meta": {"hostvars": hostvars},
        "masters": {"hosts": names},
        "agents": {"hosts": ["agent"]},
    }
    return parse_lab(listing, read_defaults(playbooks_directory()), directory / "inventory.ini")


def filled(options: RunOptions, of_lab: Lab, **flags: Any) -> RunOptions:
    """The options in a lab."""
    return in_lab(options, of_lab, **{"is_on_hosts": False, **flags})


def with_secret(of_lab: Lab) -> Lab:
    """The lab after a bootstrap."""
    of_lab.settings.secret_file.parent.mkdir()
    of_lab.settings.secret_file.write_text("secret\n")
    return of_lab


def test_a_lab_tells_all_that_a_job_needs(tmp_path: Path) -> None:
    """Master, credentials, image, network, and share."""
    options = filled(NONE_GIVEN, with_secret(lab(tmp_path)))
    assert options == replace(
        NONE_GIVEN,
        master="192.0.2.0:5050",
        principal="mrunkit",
        secret_file=tmp_path / ".mrunkit" / "mesos-secret",
        image="mrunkit/debian:lab",
        network="mpi-network",
        share=Path("/share"),
    )


@pytest.mark.parametrize(
    ("given", "variables", "account"),
    [
        (None, {}, None),
        (None, {"ansible_user": "debian"}, "debian"),
        (None, {"ansible_ssh_user": "debian"}, "debian"),
        (None, {"ansible_user": "debian", "lab_user": "mpi"}, "mpi"),
        ("me", {"ansible_user": "debian", "lab_user": "mpi"}, "me"),
    ],
)
def test_jobs_belong_to_an_account_of_the_lab(
    tmp_path: Path, given: str | None, variables: dict[str, str], account: str | None
) -> None:
    """The person at the command line need not have one there."""
    of_lab = with_secret(lab(tmp_path, **variables))
    assert filled(replace(NONE_GIVEN, run_as=given), of_lab).run_as == account


def test_three_masters_are_found_by_zookeeper(tmp_path: Path) -> None:
    """Whichever of them leads."""
    options = filled(NONE_GIVEN, lab(tmp_path, masters=3, lab_mesos_authentication=False))
    assert options.master == "zk://192.0.2.0:2181,192.0.2.1:2181,192.0.2.2:2181/mesos"


def test_what_is_given_wins(tmp_path: Path) -> None:
    """Each by itself."""
    given = replace(
        NONE_GIVEN,
        principal="me",
        secret_file=Path("mine"),
        image="other:1",
        network="host",
        share=Path("/scratch"),
    )
    assert filled(given, lab(tmp_path)) == replace(given, master="192.0.2.0:5050")


def test_jobs_may_run_on_the_hosts_themselves(tmp_path: Path) -> None:
    """With --no-image, and where the lab has none; then there is no share to mount."""
    on_hosts = replace(NONE_GIVEN, master="192.0.2.0:5050")
    plain = {"lab_mesos_authentication": False}
    assert filled(NONE_GIVEN, lab(tmp_path, **plain), is_on_hosts=True) == on_hosts
    assert filled(NONE_GIVEN, lab(tmp_path, lab_image="", **plain)) == on_hosts


def test_a_lab_that_was_made_elsewhere_has_no_secret_here(tmp_path: Path) -> None:
    """The message says where it should be, and three ways out."""
    with pytest.raises(MrunkitError, match=r"there is no .*/\.mrunkit/mesos-secret") as raised:
        filled(NONE_GIVEN, lab(tmp_path))
    assert "copy that file" in str(raised.value.remedy)
    given = replace(NONE_GIVEN, principal="me", secret_file=Path("mine"))
    assert filled(given, lab(tmp_path)).principal == "me"


@pytest.mark.parametrize("master", ["host0:5050", "zk://a:1,b:2/mesos", "local", "local:4x8"])
def test_a_master_beside_an_inventory_is_refused(tmp_path: Path, master: str) -> None:
    """It would be taken for the program."""
    options = replace(NONE_GIVEN, program=(master, "./hello"))
    with pytest.raises(UsageError, match="exclude each other") as raised:
        filled(options, lab(tmp_path))
    assert "192.0.2.0:5050" in str(raised.value.remedy)


def test_an_image_and_none_exclude_each_other(tmp_path: Path) -> None:
    """--image with --no-image."""
    with pytest.raises(UsageError, match="exclude each other"):
        filled(replace(NONE_GIVEN, image="mpi:1"), lab(tmp_path), is_on_hosts=True)


def test_jobs_on_the_hosts_use_the_labs_mpich_if_it_is_here_too(tmp_path: Path) -> None:
    """At the path where all hosts have it; on a machine of another kind, what it has."""
    plain = {"lab_mesos_authentication": False, "lab_image": "", "mpich_prefix": str(tmp_path)}
    assert filled(NONE_GIVEN, lab(tmp_path, **plain)).mpiexec is None
    mpiexec = tmp_path / "bin" / "mpiexec.hydra"
    mpiexec.parent.mkdir()
    mpiexec.touch()
    assert filled(NONE_GIVEN, lab(tmp_path, **plain)).mpiexec == str(mpiexec)
    given = replace(NONE_GIVEN, mpiexec="/mine")
    assert filled(given, lab(tmp_path, **plain)).mpiexec == "/mine"


def test_a_machine_without_the_share_is_told_where_to_start_jobs(tmp_path: Path) -> None:
    """On the master; a look at the placement, and jobs without containers, need no share."""
    of_lab = with_secret(lab(tmp_path, lab_share=str(tmp_path / "share")))
    options = filled(NONE_GIVEN, of_lab)
    with pytest.raises(MrunkitError, match=f"no {tmp_path}/share here") as raised:
        require_share(options, of_lab)
    assert "log in on host0" in str(raised.value.remedy)
    require_share(replace(options, is_dry_run=True), of_lab)
    require_share(filled(NONE_GIVEN, of_lab, is_on_hosts=True), of_lab)
    (tmp_path / "share").mkdir()
    require_share(options, of_lab)
