"""MPI jobs in Docker containers: images, networks, mpiexec's container, and cleaning up."""
