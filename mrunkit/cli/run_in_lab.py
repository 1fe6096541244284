"""`mrunkit run -i`: what an inventory fills in of the options. Pure, but for a look for files."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrunkit.cli.run_options import RunOptions, is_local
from mrunkit.errors import MrunkitError, UsageError
from mrunkit.provision.lab import Lab


def in_lab(options: RunOptions, lab: Lab, *, is_on_hosts: bool) -> RunOptions:
    """The options with what the lab says where they say nothing; `is_on_hosts` is --no-image."""
    if is_on_hosts and options.image is not None:
        raise UsageError("--image and --no-image exclude each other")
    _require_program(options.program, lab.master)
    filled: dict[str, Any] = {"master": lab.master, "run_as": options.run_as or _account(lab)}
    if options.principal is None and options.secret_file is None:
        filled |= _credentials(lab)
    image = None if is_on_hosts else options.image or lab.settings.image
    if image is not None:
        filled |= {
            "image": image,
            "network": options.network or lab.settings.network,
            "share": options.share or Path(lab.settings.share),
        }
    elif options.mpiexec is None:
        filled["mpiexec"] = _mpiexec(lab)
    return replace(options, **filled)


def require_share(options: RunOptions, lab: Lab) -> None:
    """Refuse a job that would be staged on a share which this machine does not have."""
    if options.share is None or options.share.is_dir() or options.is_dry_run:
        return
    head = lab.masters[0].name
    raise MrunkitError(
        f"jobs in this lab's containers start where its share is, and there is no {options.share} "
        "here",
        remedy=f"log in on {head}, which has mrunkit: mrunkit run -i {lab.client_inventory} ...; "
        "or name the share with --share, if it is elsewhere here",
    )


def _credentials(lab: Lab) -> dict[str, Any]:
    principal, secret_file = lab.settings.principal, lab.settings.secret_file
    if principal is None:
        return {}
    if not secret_file.is_file():
        raise MrunkitError(
            f"the lab's Mesos wants to know who we are, and there is no {secret_file}",
            remedy="bootstrap this lab from here, or copy that file from where it was done, "
            "or give --principal and --secret-file",
        )
    if not os.access(secret_file, os.R_OK):
        raise MrunkitError(
            f"the lab's Mesos wants to know who we are, and {secret_file} is not for us to read",
            remedy=f"start jobs as {lab.settings.user or 'its owner'}, or give --principal and "
            "--secret-file",
        )
    return {"principal": principal, "secret_file": secret_file}


def _account(lab: Lab) -> str | None:
    """Whom jobs belong to in the lab: as bootstrap has it, the account of ssh without another."""
    return lab.settings.user or lab.hosts[0].ssh.user


def _mpiexec(lab: Lab) -> str | None:
    """The lab's MPICH, if this machine has it too; else the one that is found here."""
    mpiexec = Path(lab.hosts[0].role_variable("mpich_prefix"), "bin", "mpiexec.hydra")
    return str(mpiexec) if mpiexec.is_file() else None


def _require_program(words: tuple[str, ...], master: str) -> None:
    """Refuse MASTER where the program should be, unless a program is called so."""
    first = words[0]
    is_master = is_local(first) or re.fullmatch(r"zk://.*|[A-Za-z0-9._-]+:\d+", first)
    if is_master and len(words) > 1 and shutil.which(first) is None:
        raise UsageError(
            f"MASTER {first} and --inventory exclude each other",
            remedy=f"leave MASTER out: the inventory's is {master}",
        )
