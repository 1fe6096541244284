"""RPMs by the names that the roles ask for on Rocky and Alma, with as little in them as will do.

Each brings links to Debian's programs, which the image keeps in `DEBIAN`, at the paths where those
systems have them, and what is theirs: units, groups, configuration and dependencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

DEBIAN = "/opt/debian"
"""Where the image keeps what of Debian would be there before its RPM."""
DOCKER_VERSIONS = ("20.10.24", "25.0.5", "26.1.4")
"""In the stand-in for Docker's repository. Each says it of itself, and is Debian's 20.10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a spec file says of a package."""

    name: str
    version: str = "1"
    epoch: int = 0
    words: tuple[str, ...] = ()
    """Requires, Provides, Recommends and Conflicts."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Paths, and what of Debian's they lead to."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths, and what is in them; what is in a bin or sbin is a program."""
    unpacks: str = ""
    """An archive beside the spec file, which is put into /usr without its first directory."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """By their names without %: pre, post, preun, postun."""

    def spec(self, dist: str) -> str:
        """The spec file."""
        lines = [
            *(f"Name: {self.name}", f"Version: {self.version}", f"Release: 1.{dist}"),
            *(f"Epoch: {self.epoch}", "Summary: A stand-in", "License: Apache-2.0"),
            *("AutoReqProv: no", *self.words, "%description", "Of the tests of mrunkit."),
            *("%install", "mkdir -p %{buildroot}"),
        ]
        for path in (*self.links, *self.files):
            lines += [f"mkdir -p %{{buildroot}}$(dirname {path})"]
        for path, target in self.links.items():
            lines += [f"ln -s {DEBIAN}{target} %{{buildroot}}{path}"]
        for path, text in self.files.items():
            lines += [f"cat > %{{buildroot}}{path} <<'END'", text.strip(), "END"]
            lines += [f"chmod {755 if 'bin/' in path else 644} %{{buildroot}}{path}"]
        listed = [*self.links, *self.files]
        if self.unpacks:
            lines += ["mkdir -p %{buildroot}/usr"]
            lines += ["cd %{buildroot}/usr"]
            lines += [f"tar -xf %{{_sourcedir}}/{self.unpacks} --strip-components=1"]
            listed += ["/usr/sbin/*", "/usr/libexec/mesos", "/usr/share/mesos", "/usr/lib/python/*"]
        for when, script in self.scripts.items():
            lines += [f"%{when}", script]
        # What an administrator changed stays.
        ours = [
            f"%config(noreplace) {path}" if path.startswith("/etc/") else path for path in listed
        ]
        return "\n".join([*lines, "%files", *ours, ""])


def system_packages(name: str, version: str) -> Iterator[Package]:
    """The system's own repository, as far as the roles know it."""
    major = version.partition(".")[0]
    is_release = (f"Provides: system-release = {version}",)
    is_release += (f"Provides: system-release(releasever) = {major}",)
    yield Package(name=f"{name}-release", version=version, words=is_release)
    # 8 and 9 have iptables by another name.
    yield Package(name="iptables-nft", words=("Provides: iptables = 1",))
    yield Package(name="policycoreutils", files=SELINUX_PROGRAMS)
    yield Package(name="bash", words=("Provides: /bin/sh",))
    for empty in EMPTY_PACKAGES:
        yield Package(name=empty)
    ssh = {f"/usr/bin/{program}": f"/usr/bin/{program}" for program in SSH_PROGRAMS}
    yield Package(name="openssh-clients", links=ssh)
    yield Package(
        name="chrony",
        links={"/usr/sbin/chronyd": "/usr/sbin/chronyd", "/usr/bin/chronyc": "/usr/bin/chronyc"},
        files=CHRONY_FILES,
        scripts={"post": "systemctl --no-reload enable chronyd.service; systemctl daemon-reload"},
    )
    yield Package(
        name="nfs-utils",
        files=NFS_FILES,
        scripts={"post": "systemctl daemon-reload"},
    )
    yield Package(name="tar", links={"/usr/bin/tar": "/usr/bin/tar"})
    mpich = {f"/usr/lib64/mpich/bin/{name}": path for name, path in MPICH_PROGRAMS.items()}
    yield Package(name="mpich", version="4.0.2", links=mpich)
    compilers = {f"/usr/lib64/mpich/bin/{name}": path for name, path in MPICH_COMPILERS.items()}
    needs_mpich = ("Requires: mpich = 4.0.2",)
    yield Package(name="mpich-devel", version="4.0.2", words=needs_mpich, links=compilers)
    yield Package(name="python3-dnf-plugin-versionlock", links={path: path for path in VERSIONLOCK})


def docker_packages() -> Iterator[Package]:
    """Docker's repository, whose packages differ in their epochs and recommend more of them."""
    yield Package(
        name="containerd.io",
        version="1.6.33",
        words=("Conflicts: runc", "Requires: container-selinux"),
        links={f"/usr/bin/{name}": path for name, path in CONTAINERD_PROGRAMS.items()},
        files={"/usr/lib/systemd/system/containerd.service": CONTAINERD_SERVICE},
        scripts={"post": "systemctl daemon-reload"},
    )
    for version in DOCKER_VERSIONS:
        cli = ("Recommends: docker-buildx-plugin",)
        links = {"/usr/bin/docker": "/usr/bin/docker"}
        yield Package(name="docker-ce-cli", version=version, epoch=1, words=cli, links=links)
        needs = ("Requires: containerd.io", "Requires: docker-ce-cli", "Requires: iptables")
        more = ("Recommends: docker-ce-rootless-extras",)
        yield Package(
            name="docker-ce",
            version=version,
            epoch=3,
            words=needs + more,
            links={f"/usr/bin/{name}": path for name, path in DOCKER_PROGRAMS.items()},
            files={
                "/usr/bin/dockerd": DOCKERD.format(version=version, debian=DEBIAN),
                "/usr/lib/systemd/system/docker.service": DOCKER_SERVICE,
                "/usr/lib/systemd/system/docker.socket": DOCKER_SOCKET,
            },
            scripts=DOCKER_SCRIPTS,
        )
        needs = ("Requires: docker-ce",)
        yield Package(name="docker-ce-rootless-extras", version=version, words=needs)
    yield Package(name="docker-buildx-plugin", version="0.14.1")


def mesos_packages(archive: str) -> Iterator[Package]:
    """A repository of Mesos, whose package brings units of its own."""
    units = {
        f"/usr/lib/systemd/system/mesos-{name}.service": MESOS_SERVICE
        for name in ("master", "slave")
    }
    yield Package(name="mesos", version="1.11.0", files=units, unpacks=archive)


EMPTY_PACKAGES = (
    *("apr", "container-selinux", "cyrus-sasl-lib", "cyrus-sasl-md5", "firewalld", "gzip"),
    *("java-headless", "openssh-server", "python3.11", "subversion-libs", "zlib"),
)
SSH_PROGRAMS = ("scp", "sftp", "ssh", "ssh-add", "ssh-agent", "ssh-copy-id", "ssh-keyscan")
SELINUX_PROGRAMS = {
    "/usr/sbin/selinuxenabled": "#!/bin/sh\nexit 0",
    "/usr/sbin/restorecon": '#!/bin/sh\necho "Relabeled $*" | tee -a /var/log/restorecon',
}
VERSIONLOCK = (
    "/etc/dnf/plugins/versionlock.conf",
    "/etc/dnf/plugins/versionlock.list",
    "/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py",
)
MPICH_PROGRAMS = {
    **{name: f"/usr/bin/{name}" for name in ("hydra_pmi_proxy", "mpichversion", "mpiexec.hydra")},
    **dict.fromkeys(("mpiexec", "mpirun"), "/usr/bin/mpiexec.hydra"),
}
MPICH_COMPILERS = {"mpicc": "/usr/bin/mpicc.mpich", "mpicxx": "/usr/bin/mpicxx.mpich"}
CONTAINERD_PROGRAMS = {
    **{name: f"/usr/bin/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    "runc": "/usr/sbin/runc",
}
DOCKER_PROGRAMS = {"docker-init": "/usr/bin/docker-init", "docker-proxy": "/usr/sbin/docker-proxy"}

DOCKERD = """\
#!/bin/sh
case $1 in
--version) echo 'Docker version {version}, build 0'; exit ;;
# The versions that are asked for it know it, and Debian's does not.
--validate) echo 'configuration OK'; exit ;;
esac
exec {debian}/usr/sbin/dockerd "$@"
"""
DOCKER_SERVICE = """\
[Unit]
After=network-online.target docker.socket firewalld.service containerd.service
Wants=network-online.target containerd.service
Requires=docker.socket

[Service]
Type=notify
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
RestartSec=2
Restart=always
StartLimitBurst=3
StartLimitInterval=60s
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process

[Install]
WantedBy=multi-user.target
"""
DOCKER_SOCKET = """\
[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
"""
# As systemd's macros have them, but for the presets: nothing is started or enabled.
DOCKER_SCRIPTS = {
    "pre": "getent group docker > /dev/null || groupadd --system docker",
    "post": "systemctl daemon-reload",
    "preun": "[ $1 != 0 ] || systemctl --no-reload disable --now docker.service docker.socket",
    "postun": "systemctl daemon-reload; [ $1 = 0 ] || systemctl try-restart docker.service",
}
CONTAINERD_SERVICE = """\
[Unit]
After=network.target local-fs.target

[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
LimitNOFILE=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""
CHRONY_FILES = {
    # Without the distribution's servers, which no test is to ask.
    "/etc/chrony.conf": """\
driftfile /var/lib/chrony/drift
makestep 1.0 3
rtcsync
logdir /var/log/chrony
""",
    # The clock is the machine's own: it stays as it is.
    "/etc/sysconfig/chronyd": 'OPTIONS="-x"',
    "/usr/lib/systemd/system/chronyd.service": """\
[Unit]
After=network.target
ConditionCapability=CAP_SYS_TIME

[Service]
Type=forking
PIDFile=/run/chrony/chronyd.pid
EnvironmentFile=-/etc/sysconfig/chronyd
ExecStart=/usr/sbin/chronyd -f /etc/chrony.conf $OPTIONS

[Install]
WantedBy=multi-user.target
""",
}
# The kernel of a machine that runs tests need have no NFS: what is exported is only written down.
NFS_FILES = {
    "/etc/nfs.conf": "[nfsd]\n# threads=8",
    "/usr/sbin/exportfs": "#!/bin/sh\ncp /etc/exports /run/exported",
    "/usr/lib/systemd/system/nfs-server.service": """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/exportfs -r

[Install]
WantedBy=multi-user.target
""",
}
MESOS_SERVICE = """\
[Service]
ExecStart=/bin/false

[Install]
WantedBy=multi-user.target
"""
