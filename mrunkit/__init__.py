"""mrunkit: MPI jobs as gangs on Apache Mesos, and the labs to run them in."""

__version__ = "0.1.0"
