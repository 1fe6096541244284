"""Making a lab of bare hosts, with the Ansible playbooks that come with mrunkit.

    lab.py, lab_settings.py   what the inventory says      addresses.py   what bootstrap found out
    host_lines.py             its own lines, for what Ansible does not tell
    groups.py, names.py       who is what, in words        role_defaults.py   roles' own defaults
    apply.py                  a playbook on a lab          state_dir.py       one at a time; files
    playbooks.py              Ansible, run as a child      progress.py    its events, folded
    table.py, explain.py      progress and failures as text
    hosts.py, hosts.sh        what each host has and runs
    client_package.py         this very mrunkit as a file, for hosts to install
    packaged.py               where the playbooks are
    fitness/                  whether hosts can be a lab   doctor/        whether a lab works

Owns no terminal: the commands in cli/ do.
"""
