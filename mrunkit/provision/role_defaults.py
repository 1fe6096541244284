"""Variables of roles that Python has to know as well, as the roles' own defaults are."""

from __future__ import annotations

DEFAULTS = {
    "client_bin": "/usr/local/bin",
    "client_lab": "/etc/mrunkit",
    "mpich_prefix": "/opt/mpich",
    "nfs_provides_share": "True",
    "zookeeper_port": "2181",
}
"""By name; they are compared with `playbooks/roles/*/defaults/main.yml` by a test."""
