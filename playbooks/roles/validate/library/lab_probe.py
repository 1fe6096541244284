#!/usr/bin/python
# ruff: noqa: E402, PTH110, PTH112, PTH116, PTH120, PTH207, PTH208, UP001, UP010, UP020, UP024, UP031
# It runs on the hosts, whose Python may be 2.7.
"""What one host is like, seen in one go: system, kernel, clock, disk, networks, ssh, firewall.

Owns the looking, and changes nothing; what it means is for lab_problems to say.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: lab_probe
short_description: Look at a host before anything is done to it
description: Reads files and asks a few commands; changes nothing.
options:
  clock: {description: The controller's clock in seconds, type: float, required: true}
  user: {description: Account to look up, type: str, required: true}
  share: {description: Directory that is to be mounted, type: str, default: ""}
  paths: {description: Directories whose free space to tell, type: list, elements: str, default: []}
  services:
    description: Units with the files each reads when it starts, to tell which has old ones.
    type: dict
    default: {}
  places:
    description: Paths that the lab would take, with the file whose mark says that it has.
    type: dict
    default: {}
author: [mrunkit]
"""

EXAMPLES = r"""
- name: Look
  lab_probe:
    clock: "{{ now().timestamp() }}"
    user: root
"""

RETURN = r"""
probe: {description: What was seen, returned: always, type: dict}
answered: {description: The controller's clock when that was there, returned: always, type: float}
"""

import glob
import gzip
import io
import os
import pwd
import re
import socket
import struct
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

FEATURES = {
    "esp4": "INET_ESP",
    "nfsd": "NFSD_V4",
    "nfsv4": "NFS_V4",
    "vxlan": "VXLAN",
    "xt_bpf": "NETFILTER_XT_MATCH_BPF",
    "xt_u32": "NETFILTER_XT_MATCH_U32",
}
"""Kernel modules, and the option that builds each of them."""

MARK = "# Written by mrunkit; changes are lost."

TIME_SERVICES = ("ntpsec.service", "ntp.service", "ntpd.service", "openntpd.service")
"""What an admin may have chosen to keep the clock by, other than chrony."""


def feature(module, option, loaded, available, config):
    """Whether a kernel has a feature: "yes", "no", or "unknown" where nothing tells.

    `available` are the modules in the running kernel's directory, `config` its configuration;
    each is None where it is not to be had, as in a container.
    """
    if module in loaded or module in (available or ()):
        return "yes"
    setting = (config or {}).get("CONFIG_" + option, "n")
    if setting == "y":
        return "yes"
    if available is not None:
        return "no"
    if config is None:
        return "unknown"
    # Built as a module, and no directory to find it in: a container.
    return "unknown" if setting == "m" else "no"


def iptables_is_closed(listed):
    """Whether `iptables -S INPUT` tells of a policy: what is not allowed is turned away.

    Rules that turn away something particular do not make it one: Docker adds such.
    """
    return bool(re.search(r"^-P INPUT (?!ACCEPT)|^-A INPUT -j (DROP|REJECT)", listed, re.M))


def nftables_chains(ruleset):
    """The input chains of `nft list ruleset` that turn away what nothing else let in.

    As "family table chain"; iptables' own is left out, which is asked there, and so is what is not
    of a family that has IPv4's addresses.
    """
    chains, family, table, chain, is_input = [], "", "", "", False
    of_iptables = ("ip", "filter", "INPUT")
    for line in ruleset.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            family, table = words[1:3]
        elif words[:1] == ["chain"]:
            chain, is_input = words[1], False
        elif words[:1] == ["type"]:
            is_input = "hook input" in line and family in ("ip", "inet")
            is_input = is_input and (family, table, chain) != of_iptables
        rule = re.sub(r"^counter packets \d+ bytes \d+ ", "", line.strip())
        turns_away = "policy drop" in rule or re.match(r"(drop|reject)\b", rule)
        name = "%s %s %s" % (family, table, chain)
        if is_input and turns_away and name not in chains:
            chains.append(name)
    return chains


def networks(routes):
    """Networks with their interfaces, out of /proc/net/route, without the default route."""
    found = []
    for line in routes.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or words[1] == words[7] == "00000000":
            continue
        bits = bin(int(words[7], 16)).count("1")
        # The kernel prints the address as the machine's own integer, so "=" packs it back.
        address = socket.inet_ntoa(struct.pack("=I", int(words[1], 16)))
        found.append({"interface": words[0], "network": "%s/%d" % (address, bits)})
    return found


def read(path):
    """A file's text, or nothing where it cannot be read."""
    try:
        with io.open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (IOError, OSError):
        return ""


def said(*command):
    """What a command printed; nothing where it is missing or fails."""
    environment = dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    except (IOError, OSError):
        return ""
    output = process.communicate()[0].decode("utf-8", "replace")
    return output if process.returncode == 0 else ""


def kernel_config(release):
    """The running kernel's configuration, or None where it is not to be had."""
    places = ("/boot/config-%s", "/lib/modules/%s/config", "/lib/modules/%s/build/.config")
    text = ""
    if os.path.exists("/proc/config.gz"):
        with gzip.open("/proc/config.gz") as file:
            text = file.read().decode("utf-8", "replace")
    for place in places:
        text = text or read(place % release)
    return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.M)) if text else None


def kernel_modules(release):
    """Names of the modules in the running kernel's directory, or None without one."""
    directory = "/lib/modules/%s/" % release
    if not os.path.exists(directory + "modules.dep"):
        return None
    text = read(directory + "modules.dep") + read(directory + "modules.builtin")
    names = re.findall(r"([^/\s:]+)\.ko(?:\.\w+)?(?::|$)", text, re.M)
    return {name.replace("-", "_") for name in names}


def kernel(release):
    """The features of the running kernel, and whether its modules are gone from the disk."""
    loaded = {line.split()[0] for line in read("/proc/modules").splitlines()}
    filesystems = read("/proc/filesystems").split()
    loaded |= set(["nfsd"] if "nfsd" in filesystems else [])
    loaded |= set(["nfsv4"] if "nfs4" in filesystems else [])
    available, config = kernel_modules(release), kernel_config(release)
    is_replaced = available is None and bool(glob.glob("/lib/modules/*/modules.dep"))
    if is_replaced:
        available = set()
    return {
        "release": release,
        "features": {
            module: feature(module, option, loaded, available, config)
            for module, option in FEATURES.items()
        },
        "is_replaced": is_replaced,
    }


def os_release():
    """ID, VERSION_ID and the rest of /etc/os-release."""
    found = re.findall(r"^(\w+)=(.*)$", read("/etc/os-release"), re.M)
    return {key: value.strip("\"'") for key, value in found}


def account(name):
    """A user's ids and home, or None where there is no such user."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return {"uid": entry.pw_uid, "gid": entry.pw_gid, "home": entry.pw_dir}


def docker_version(printed):
    """What `dockerd --version` tells; empty where there is none."""
    found = re.search(r"version ([^, ]+)", printed)
    return found.group(1) if found else ""


def free_space(path):
    """Free bytes where a directory is or will be, and which file system that is."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    stat = os.statvfs(path)
    return {"device": os.stat(path).st_dev, "free": stat.f_bavail * stat.f_frsize}


def firewall():
    """The one that decides what comes in: firewalld, ufw, iptables, nftables or none."""
    if said("systemctl", "is-active", "firewalld"):
        return {"kind": "firewalld"}
    if re.search(r"^ENABLED=yes", read("/etc/ufw/ufw.conf"), re.M):
        return {"kind": "ufw"}
    if iptables_is_closed(said("iptables", "-S", "INPUT")):
        return {"kind": "iptables"}
    chains = nftables_chains(said("nft", "list", "ruleset"))
    return {"kind": "nftables", "chains": chains} if chains else {"kind": "none"}


def is_stale(modified, started, now):
    """Whether a file was changed after the service that reads it started.

    Not within a second, nor in the future, where a clock that was set back left it.
    """
    return started + 1 < modified <= now


def stale_services(services, now):
    """The running ones of these units that started before a file of theirs was last changed."""
    stale = []
    uptime = float(read("/proc/uptime").split()[0])
    for unit, paths in services.items():
        shown = said("systemctl", "show", unit, "-p", "ActiveState,ActiveEnterTimestampMonotonic")
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if values.get("ActiveState") != "active":
            continue
        started = now - uptime + int(values["ActiveEnterTimestampMonotonic"]) / 1e6
        changed = [os.stat(path).st_mtime for path in paths if os.path.exists(path)]
        if any(is_stale(modified, started, now) for modified in changed):
            stale.append(unit)
    return sorted(stale)


def mounted(mounts):
    """Where /proc/mounts has a mount, and of which type."""
    lines = [line.split() for line in mounts.splitlines()]
    return [(words[1].replace("\\040", " "), words[2]) for words in lines]


def automounts(mounts):
    """Where /proc/mounts has a mount that waits for its first access."""
    return [path for path, kind in mounted(mounts) if kind == "autofs"]


def hidden_by_share(share, mounts):
    """What a mount on a directory would hide: "files", another mount's type, or nothing.

    One that waits for its first access is the lab's, and not looked into: its server may be down.
    """
    kinds = [kind for path, kind in mounted(mounts) if path == share]
    if kinds:
        return "" if "autofs" in kinds else kinds[-1]
    return "files" if os.path.isdir(share) and os.listdir(share) else ""


def taken(places):
    """The paths that are there and not the lab's; a unit that is masked may be anybody's."""
    return [
        path
        for path, marked in sorted(places.items())
        if os.path.lexists(path)
        and os.path.realpath(path) != os.devnull
        and MARK not in read(marked).splitlines()
    ]


def exports_of_host(texts):
    """What the host itself exports over NFS: lines of exports(5) outside of the lab's block."""
    lines, is_lab = [], False
    for line in "\n".join(texts).splitlines():
        if line in ("# BEGIN lab of mrunkit", "# END lab of mrunkit"):
            is_lab = line.startswith("# BEGIN")
        elif line.strip() and not (is_lab or line.lstrip().startswith("#")):
            lines.append(line.strip())
    return lines


def exports_texts():
    """The files that exportfs reads."""
    paths = ["/etc/exports"]
    paths += sorted(glob.glob("/etc/exports.d/*.exports"))
    return [read(path) for path in paths]


def active_units(shown):
    """The running ones among what `systemctl show -p Id,ActiveState` tells of some units."""
    units = [dict(re.findall(r"^(\w+)=(.*)$", unit, re.M)) for unit in shown.split("\n\n")]
    return [unit["Id"] for unit in units if unit.get("ActiveState") == "active"]


def has_cgroups_v1(mounts):
    """Whether /proc/mounts has a hierarchy of cgroup v1 that shares out the processors."""
    lines = [line.split() for line in mounts.splitlines()]
    return any(words[2] == "cgroup" and "cpu" in words[3].split(",") for words in lines)


def has_loopback_name(hosts):
    """Whether /etc/hosts has a line that may give the host's own name to a loopback address.

    Debian's installer writes one for 127.0.1.1, cloud-init on Rocky and Alma for the others.
    """
    line = r"^(127\.0\.1\.1\s|(127\.0\.0\.1|::1)\s(?!.*\blocalhost))"
    return bool(re.search(line, hosts, re.M))


def host_keys():
    """The public halves of sshd's keys, without comments, as known_hosts wants them."""
    texts = [read(path) for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub"))]
    return [" ".join(text.split()[:2]) for text in texts if len(text.split()) >= 2]


def nofile_limits(texts):
    """Open files that limits.conf and the files after it give to all (*) and to root; -1: any.

    By "domain type", as in "* soft". The last line counts; a type "-" is both.
    Source: limits.conf(5).
    """
    limits = {}
    line = r"^[ \t]*(\*|root)[ \t]+(soft|hard|-)[ \t]+nofile[ \t]+(-1|unlimited|infinity|\d+)\b"
    for domain, kind, value in re.findall(line, "\n".join(texts), re.M):
        for each in ("soft", "hard") if kind == "-" else (kind,):
            limits["%s %s" % (domain, each)] = int(value) if value.isdigit() else -1
    return limits


def limits_texts():
    """What the host itself says of limits, in the order in which it is read."""
    paths = ["/etc/security/limits.conf"]
    paths += sorted(glob.glob("/etc/security/limits.d/*.conf"))
    return [read(path) for path in paths if not path.endswith("/90-mrunkit.conf")]


def ssh_ports(configured, connection):
    """Where sshd listens: by `sshd -T`, and by the connection that this came over.

    The latter knows also what another unit or an option of sshd decides; without one, as where
    sudo's own is all there is to see, the former stands alone.
    """
    ports = [int(port) for port in re.findall(r"^port (\d+)", configured, re.M)]
    used = int(connection.split()[3]) if len(connection.split()) == 4 else None
    return ports if used is None or used in ports else [used]


def ssh_connection(process):
    """SSH_CONNECTION of a process or its nearest parent that has one; sudo takes it away."""
    while process > 1:
        environment = read("/proc/%d/environ" % process).split("\0")
        for line in environment:
            if line.startswith("SSH_CONNECTION="):
                return line.split("=", 1)[1]
        parent = re.search(r"^PPid:\s*(\d+)", read("/proc/%d/status" % process), re.M)
        process = int(parent.group(1)) if parent else 0
    return ""


def main():
    """Look, and tell."""
    module = AnsibleModule(
        argument_spec={
            "clock": {"type": "float", "required": True},
            "user": {"type": "str", "required": True},
            "share": {"type": "str", "default": ""},
            "paths": {"type": "list", "elements": "str", "default": []},
            "services": {"type": "dict", "default": {}},
            "places": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    now = time.time()
    seen = {
        "clock": now,
        "clock_asked": module.params["clock"],
        "machine_id": read("/etc/machine-id").strip(),
        "hostname": socket.gethostname(),
        "system": os_release(),
        "kernel": kernel(os.uname()[2]),
        "networks": networks(read("/proc/net/route")),
        "account": account(module.params["user"]),
        "space": {path: free_space(path) for path in module.params["paths"]},
        "is_container": os.path.exists("/.dockerenv") or "container=" in read("/proc/1/environ"),
        "has_loopback_name": has_loopback_name(read("/etc/hosts")),
        "hosts_templates": sorted(glob.glob("/etc/cloud/templates/hosts.*.tmpl")),
        "stale_services": stale_services(module.params["services"], now),
        "hidden_by_share": hidden_by_share(module.params["share"], read("/proc/mounts")),
        "automounts": automounts(read("/proc/mounts")),
        "has_cgroups_v1": has_cgroups_v1(read("/proc/mounts")),
        "firewall": firewall(),
        "taken": taken(module.params["places"]),
        "exports": exports_of_host(exports_texts()),
        "time_services": active_units(
            said("systemctl", "show", "-p", "Id,ActiveState", *TIME_SERVICES)
        ),
        "docker": docker_version(said("dockerd", "--version")),
        "host_keys": host_keys(),
        "nofile_limits": nofile_limits(limits_texts()),
        "ssh_ports": ssh_ports(said("sshd", "-T"), ssh_connection(os.getpid())),
    }
    module.exit_json(changed=False, probe=seen)


if __name__ == "__main__":
    main()
