"""Where base trees take their packages from."""

from __future__ import annotations

from mrunkit.lab.apt import AptSetup, debian_sources

TARGETS = """\
http://mirror/debian-security/ bookworm-security main
http://mirror/debian/ bookworm main
http://mirror/debian/ bookworm contrib
http://mirror/debian/ bookworm-updates main
http://mirror/debian/ bookworm main
"""


def test_another_suite_comes_from_where_this_machines_own_does() -> None:
    """With its updates and security fixes; the release itself first."""
    found = debian_sources(TARGETS, "trixie")
    assert found == (
        "deb http://mirror/debian/ trixie main",
        "deb http://mirror/debian/ trixie contrib",
        "deb http://mirror/debian-security/ trixie-security main",
        "deb http://mirror/debian/ trixie-updates main",
    )
    assert AptSetup(sources=found).mirror == "http://mirror/debian/"


def test_a_machine_without_debians_sources_leaves_it_to_debootstrap() -> None:
    """As Ubuntu, or one whose lists were never fetched."""
    assert AptSetup(sources=debian_sources("", "bookworm")).mirror is None
