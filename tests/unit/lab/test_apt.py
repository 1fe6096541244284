"""Where base trees take their packages from."""

from __future__ import annotations

from mrunkit.lab.apt import AptSetup, mirror_sources, suite_sources
from mrunkit.lab.request import Suite

TARGETS = """\
http://mirror/debian-security/ bookworm-security main
http://mirror/debian/ bookworm main
http://mirror/debian/ bookworm contrib
http://mirror/debian/ bookworm-updates main
http://mirror/debian/ bookworm main
"""


def test_another_suite_comes_from_where_this_machines_own_does() -> None:
    """With its updates and security fixes; the release itself first."""
    found = suite_sources(TARGETS, Suite.TRIXIE)
    assert found == (
        "deb http://mirror/debian/ trixie main",
        "deb http://mirror/debian/ trixie contrib",
        "deb http://mirror/debian-security/ trixie-security main",
        "deb http://mirror/debian/ trixie-updates main",
    )
    assert AptSetup(sources=found).mirror == "http://mirror/debian/"


def test_a_machine_without_debians_sources_leaves_it_to_debootstrap() -> None:
    """As Ubuntu, or one whose lists were never fetched."""
    assert AptSetup(sources=suite_sources("", Suite.BOOKWORM)).mirror is None


def test_a_mirror_of_debian_has_the_release() -> None:
    """Security fixes are on a server of their own."""
    found = mirror_sources("http://mirror/debian", Suite.TRIXIE)
    assert found == ("deb http://mirror/debian trixie main",)


def test_a_mirror_of_ubuntu_has_its_updates_as_well() -> None:
    """MPICH and Docker are in universe."""
    assert mirror_sources("http://mirror/ubuntu", Suite.NOBLE) == (
        "deb http://mirror/ubuntu noble main universe",
        "deb http://mirror/ubuntu noble-updates main universe",
        "deb http://mirror/ubuntu noble-security main universe",
    )
