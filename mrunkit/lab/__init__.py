"""Hosts to provision on one machine: containers of a Docker engine, or QEMU guests.

    request.py        what is asked for        addresses.py   subnets and addresses
    record.py         a lab as it is kept      inventory.py   inventory.ini, known_hosts, ssh_config
    directory.py      every file of a lab      seed.py        the files that make a host its own
    apt.py, tree.py   base trees, debootstrap  keys.py        ssh keys
    docker_hosts.py   the one backend          readiness.py   waiting until hosts answer
    qemu_hosts.py     the other; qemu_command.py, qemu_images.py, qemu_processes.py, cloud_init.py
    console.py        what consoles say
    life.py           up, down and list, over either backend

A lab is for trying: its hosts trust one key without a passphrase, and share this machine's
kernel (docker) or nothing but its processors (qemu).
"""
