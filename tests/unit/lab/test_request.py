"""What a lab may be asked to be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from labs import request

from mrunkit.errors import UsageError
from mrunkit.lab.request import (
    KERNEL_PACKAGES,
    READY_PACKAGES,
    Acceleration,
    Backend,
    GuestSize,
    Suite,
    check_name,
    check_request,
    recipe,
)


@pytest.mark.parametrize("name", ["lab", "a", "3hosts", "my-lab-2", "a" * 30])
def test_a_name_may_be_part_of_other_names(name: str) -> None:
    """Of containers, networks and files."""
    assert check_name(name) is None


@pytest.mark.parametrize("name", ["", "Lab", "-x", "x-", "a b", "../x", "a" * 31, "ä", "x\n"])
def test_other_names_are_refused(name: str) -> None:
    """Before anything is made."""
    with pytest.raises(UsageError, match="--name"):
        check_name(name)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Not one after the other."""
    packages = recipe(
        Backend.DOCKER,
        Suite.TRIXIE,
        is_ready=False,
        extra=("--force", "vim"),
        mirror="ftp//nowhere",
    )
    with pytest.raises(UsageError) as raised:
        check_request(request(suite=Suite.TRIXIE, recipe=packages, image=tmp_path / "none.qcow2"))
    assert str(raised.value).splitlines() == [
        f"--image {tmp_path}/none.qcow2: cloud images are for --backend qemu",
        f"--image {tmp_path}/none.qcow2: there is no such file",
        f"--image {tmp_path}/none.qcow2: has what it has; packages are for base trees",
        f"--image {tmp_path}/none.qcow2: has what it has; --suite is for base trees",
        "--include --force: is no package name",
        "--mirror ftp//nowhere: is no address such as http://HOST/debian",
    ]


def test_only_guests_of_a_base_tree_have_control_groups_of_their_own() -> None:
    """Containers have this machine's."""
    first = replace(request(), size=GuestSize(cgroups=1))
    with pytest.raises(UsageError, match="--cgroups 1"):
        check_request(first)
    assert check_request(replace(first, backend=Backend.QEMU)) is None


def test_containers_have_no_size() -> None:
    """What cannot be had is refused, not passed over."""
    size = GuestSize(memory=2048, cpus=4, acceleration=Acceleration.TCG)
    with pytest.raises(UsageError) as raised:
        check_request(request(size=size))
    assert str(raised.value).splitlines() == [
        "--memory 2048: is for --backend qemu",
        "--cpus 4: is for --backend qemu",
        "--accel tcg: is for --backend qemu",
    ]
    assert check_request(request(size=size, backend=Backend.QEMU)) is None


@pytest.mark.parametrize("name", ["sudo-", "vim+", "-y", "x", "a b", "vim=2", "vim/sid", "Vim"])
def test_what_is_no_package_to_apt_is_refused(name: str) -> None:
    """`sudo-` would have it removed, and then be taken for what is there."""
    asked = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=(name,))
    with pytest.raises(UsageError, match=re.escape(f"--include {name}: is no package name")):
        check_request(request(recipe=asked))


@pytest.mark.parametrize("name", ["g++", "libstdc++6", "python3.11", "vim-tiny", "jq", "2to3"])
def test_packages_have_names_of_many_kinds(name: str) -> None:
    """As Debian's do."""
    asked = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=(name,))
    assert check_request(request(recipe=asked)) is None


@pytest.mark.parametrize("mirror", ["http://mirror/debian", "https://mirror/d", "file:/srv/debian"])
def test_a_mirror_is_an_address(mirror: str) -> None:
    """As debootstrap takes them."""
    made = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, mirror=mirror)
    assert check_request(request(recipe=made)) is None


@pytest.mark.parametrize("suite", Suite)
def test_a_ready_guest_has_a_kernel_and_what_bootstrap_installs(suite: Suite) -> None:
    """A container has no kernel."""
    guest = set(recipe(Backend.QEMU, suite, is_ready=True).packages)
    container = set(recipe(Backend.DOCKER, suite, is_ready=True).packages)
    assert guest - container == set(KERNEL_PACKAGES[suite.distribution])
    assert set(READY_PACKAGES) <= container


def test_the_order_of_packages_does_not_matter() -> None:
    """The same packages are the same base tree, also to the next process."""
    one = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=("vim", "less"))
    two = recipe(Backend.DOCKER, Suite.BOOKWORM, is_ready=False, extra=("less", "vim", "vim"))
    assert one == two
    assert list(one.packages) == sorted(one.packages)
