"""What a lab is seen to be: checks over ssh, each with what was seen and what to do.

`examine`, `experiment` and `mpi_check` ask and act, through `hosts`: one ssh connection per host,
at whose other end `probe` runs. `facts` reads what programs on the hosts print; the judges
(`machines`, `reach`, `overlay`, `swarm`, `mesos_agents`, `mpi_job`) turn that into `verdicts`.
These are pure, but for the job that `mpi_job` can run from here. Nothing of a lab is changed:
what a check makes on a host, it removes, and a probe removes it when mrunkit is gone.
"""
