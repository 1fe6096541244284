"""What a lab is seen to be: checks over ssh, each with what was seen and what to do.

`examine` asks and acts; all else but `hosts` and `mpi_job` is pure. `hosts` holds one ssh
connection per host, at whose other end `probe` runs; `facts` reads what programs on the
hosts print; the judges (`machines`, `reach`, `overlay`, `swarm`, `mesos_agents`) turn facts
into `verdicts`. Nothing of a lab is changed: what a check makes on a host, it removes, and
a probe removes it when mrunkit is gone.
"""
