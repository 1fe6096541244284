"""A host of a lab in which all is well."""

from __future__ import annotations

from mrunkit.provision.doctor.facts import Clock, Disk, Docker, HostFacts, Mpich

ID = "sha256:" + "5" * 64
GOOD = HostFacts(
    clock=Clock(is_kept=True, by="chrony"),
    disks=(Disk(directory="/", size=100_000, free=50_000),),
    open_files=65536,
    mpich=Mpich(version="4.0.2", mpiexec="/usr/bin/mpiexec.hydra"),
    docker=Docker(
        version="20.10.24",
        swarm_state="active",
        swarm_error="",
        node_id="n",
        node_address="10.0.0.1",
        is_manager=False,
    ),
    image_id=ID,
)
