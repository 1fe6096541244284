"""How this machine's apt takes packages, so that base trees and hosts do as well."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from mrunkit.lab.request import Distribution, Suite

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSetup:
    """What apt needs to be told."""

    sources: tuple[str, ...] = ()
    """Lines of a sources.list."""
    settings: tuple[str, ...] = ()
    """Lines of an apt.conf: proxies, https and dates."""

    @property
    def mirror(self) -> str | None:
        """Where the release itself comes from, without its updates."""
        return self.sources[0].split()[1] if self.sources else None


def read_apt_setup(suite: Suite, *, mirror: str | None) -> AptSetup:
    """This machine's set-up, with that suite in place of its own; a mirror replaces sources."""
    sources = () if mirror is None else mirror_sources(mirror, suite)
    if shutil.which("apt-get") is None:
        return AptSetup(sources=sources)
    dump = _output("apt-config", "dump")
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check")
    settings = tuple(line for line in dump.splitlines() if line.startswith(kept))
    if mirror is None:
        targets = _output(
            "apt-get",
            "indextargets",
            "Created-By: Packages",
            f"Origin: {suite.distribution.value}",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        )
        sources = suite_sources(targets, suite)
    return AptSetup(sources=sources, settings=settings)


def suite_sources(targets: str, suite: Suite) -> tuple[str, ...]:
    """The source lines for a suite, from lines of URI, suite and component of this machine's.

    The updates and security fixes of one suite are where the other's are. The release itself
    comes first.
    """
    entries = [line.split() for line in targets.splitlines()]
    # The shortest name is the release's own: bookworm, not bookworm-updates.
    own = min((release for _, release, _ in entries), key=len, default="")
    found = [
        (release, f"deb {uri} {suite.value}{release.removeprefix(own)} {component}")
        for uri, release, component in entries
        if release == own or release.startswith(f"{own}-")
    ]
    return tuple(dict.fromkeys(line for _, line in sorted(found, key=lambda entry: entry[0])))


def mirror_sources(mirror: str, suite: Suite) -> tuple[str, ...]:
    """The source lines for a suite of a mirror; Debian's security fixes are not on mirrors."""
    is_ubuntu = suite.distribution is Distribution.UBUNTU
    pockets = ("", "-updates", "-security") if is_ubuntu else ("",)
    components = " ".join(suite.distribution.components)
    return tuple(f"deb {mirror} {suite.value}{pocket} {components}" for pocket in pockets)


def _output(*words: str) -> str:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    # Without lists or sources there is nothing to take over.
    return done.stdout if done.returncode == 0 else ""
