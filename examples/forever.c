/* Never ends: every rank says that it is there, and computes until it is ended.
 * Usage: forever [ignore-term]
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rank;

    if (argc > 1 && strcmp(argv[1], "ignore-term") == 0)
        signal(SIGTERM, SIG_IGN);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    printf("rank %d is pid %d\n", rank, (int) getpid());
    fflush(stdout);
    for (;;)
        usleep(100000);
}
