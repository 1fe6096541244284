"""MPICH's process manager: its launch lines, its mpiexec, and the way of its proxies to it."""
