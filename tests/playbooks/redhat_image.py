"""An image of a Debian tree that is dressed as Rocky or Alma, and repositories of stand-in RPMs.

Real are dnf with its plugin versionlock, rpm, signatures, firewalld, systemd and all that runs, as
Debian has them. Stand-ins are the files that name the system, and the RPMs (`redhat_packages`).
Out of reach are apt, dpkg, and what would be there without its RPM.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from container_hosts import Docker, base_image
from redhat_packages import (
    CONTAINERD_PROGRAMS,
    DEBIAN,
    DOCKER_PROGRAMS,
    MPICH_COMPILERS,
    MPICH_PROGRAMS,
    SSH_PROGRAMS,
    VERSIONLOCK,
    Package,
    docker_packages,
    mesos_packages,
    system_packages,
)

DEBIAN_PACKAGES = ("createrepo-c", "dnf", "dnf-plugins-core", "firewalld", "gnupg", "rpm")
REPOSITORIES = "/opt/repositories"
"""In the image: `system`, its own; `docker` and `mesos`, for a test to serve; and `keys`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """As what a host is dressed."""

    id: str
    name: str
    version: str

    @property
    def major(self) -> str:
        """What repositories call it."""
        return self.version.partition(".")[0]

    @property
    def os_release(self) -> str:
        """The file of that name."""
        return f"""\
NAME="{self.name}"
VERSION="{self.version}"
ID="{self.id}"
ID_LIKE="rhel centos fedora"
VERSION_ID="{self.version}"
PLATFORM_ID="platform:el{self.major}"
PRETTY_NAME="{self.name} {self.version}"
CPE_NAME="cpe:/o:{self.id}:{self.id}:{self.major}"
"""


ROCKY_9 = System(id="rocky", name="Rocky Linux", version="9.4")
ROCKY_8 = System(id="rocky", name="Rocky Linux", version="8.10")
ALMA_9 = System(id="almalinux", name="AlmaLinux", version="9.4")

_HIDDEN = (
    *("/etc/debian_version", "/etc/chrony", "/etc/default/docker", "/etc/docker", "/usr/bin/tar"),
    *("/usr/bin/chronyc", "/usr/sbin/chronyd", "/usr/bin/docker", "/usr/sbin/dockerd"),
    *("/usr/sbin/exportfs", "/usr/bin/mpiexec.mpich", "/usr/bin/mpirun.mpich"),
    *(f"/usr/bin/{name}" for name in SSH_PROGRAMS),
    *MPICH_PROGRAMS.values(), *MPICH_COMPILERS.values(), *CONTAINERD_PROGRAMS.values(),
    *DOCKER_PROGRAMS.values(), *VERSIONLOCK,
    # Makes a repository of all that was ever installed.
    "/usr/lib/python3/dist-packages/dnf-plugins/local.py",
    *(f"/usr/bin/{name}" for name in ("apt", "apt-cache", "apt-get", "apt-mark")),
    *(f"/usr/bin/{name}" for name in ("dpkg", "dpkg-query")),
)  # fmt: skip
_HIDDEN_UNITS = ("chrony", "containerd", "docker", "nfs")

_DRESS = """\
set -eu
PATH=$PATH:{debian}/usr/bin
for path in {hidden}; do
    [ -e $path ] || [ -L $path ] || continue
    mkdir -p {debian}$(dirname $path)
    mv $path {debian}$path
done
for unit in {units}; do
    rm -f /lib/systemd/system/$unit*.s[eo]* /etc/init.d/$unit*
    find /etc/systemd/system -name "$unit*" -delete
done
groupdel docker
# As sshd calls itself there.
ln -s ssh.service /lib/systemd/system/sshd.service
ln -s dnf /usr/bin/yum
mkdir -p /etc/sysconfig /etc/pki/rpm-gpg /etc/yum.repos.d /etc/rpm
mv os-release /usr/lib/os-release
mv dnf.conf /etc/dnf/dnf.conf
mv system.repo /etc/yum.repos.d/{id}.repo
for file in redhat-release {id}-release; do cp release /etc/$file; done

# Debian's has its database in the home directory, since nobody should need it.
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
rpm --initdb
for name in system docker; do
    gpg --quiet --batch --passphrase '' \\
        --quick-generate-key "$name <$name@example.invalid>" rsa3072 sign never
    gpg --armor --export "$name" > keys/$name
    gpg --batch --with-colons --list-keys "$name" | awk -F: '$1 == "fpr" {{print $10; exit}}' \\
        > keys/$name.fingerprint
done
cp keys/system /etc/pki/rpm-gpg/RPM-GPG-KEY-{id}
rpm --import keys/system
for specs in specs/*; do
    name=${{specs#specs/}}
    case $name in system) key=system ;; *) key=docker ;; esac
    case $name in docker) to={repositories}/docker/{major}/x86_64/stable ;;
        *) to={repositories}/$name ;; esac
    for spec in $specs/*.spec; do
        rpmbuild --quiet -bb --define "_rpmdir $PWD/made/$name" --define "_topdir $PWD/build" \\
            --define "_sourcedir $PWD/specs/$name" --define "_binary_payload w1.gzdio" \\
            --define "debug_package %{{nil}}" --define "__os_install_post %{{nil}}" $spec
    done
    mkdir -p $to
    mv made/$name/*/*.rpm $to
    rpmsign --define "__gpg /usr/bin/gpg" --define "_gpg_name $key" --addsign $to/*.rpm > /dev/null
    createrepo_c --quiet $to
done
mv keys {repositories}/keys
dnf -qy install {id}-release bash firewalld iptables-nft openssh-server policycoreutils
rm -rf "$PWD" /root/.gnupg
"""
_DOCKERFILE = """\
ARG BASE
FROM $BASE
COPY . /opt/dressing
WORKDIR /opt/dressing
RUN sh dress.sh
WORKDIR /
"""
_DNF = """\
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
"""
_REPO = """\
[baseos]
name=A stand-in for BaseOS, AppStream and EPEL
baseurl=file://{repositories}/system
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-{id}
"""


def make_image(docker: Docker, directory: Path, system: System, mesos: Path, tag: str) -> None:
    """Make the image of a system's hosts; the archive of Mesos becomes an RPM."""
    layouts = {
        "system": system_packages(system.id, system.version),
        "docker": docker_packages(),
        "mesos": mesos_packages(mesos.name),
    }
    for name, packages in layouts.items():
        _write_specs(directory / "specs" / name, packages, system)
    os.link(mesos, directory / "specs/mesos" / mesos.name)
    (directory / "keys").mkdir()
    names = {"id": system.id, "major": system.major, "repositories": REPOSITORIES}
    dress = _DRESS.format(
        **names, hidden=" ".join(_HIDDEN), units=" ".join(_HIDDEN_UNITS), debian=DEBIAN
    )
    files = {
        "dress.sh": dress,
        "Dockerfile": _DOCKERFILE,
        "dnf.conf": _DNF,
        "system.repo": _REPO.format(**names),
        "os-release": system.os_release,
        "release": f"{system.name} release {system.version}\n",
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    base = base_image(is_ready=True, extra=DEBIAN_PACKAGES)
    words = ("--force-rm", "--network", "none", "--build-arg", f"BASE={base}")
    docker("build", "-t", tag, *words, str(directory))


def _write_specs(directory: Path, packages: Iterable[Package], system: System) -> None:
    directory.mkdir(parents=True)
    for package in packages:
        path = directory / f"{package.name}-{package.version}.spec"
        path.write_text(package.spec(f"el{system.major}"))
