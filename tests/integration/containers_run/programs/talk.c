/* All ranks talk to all others, for ever; rank 0 says so once every connection has been used. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const int each = 1 << 16;
    int rank, ranks;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    char *sent = calloc((size_t) ranks, each), *received = calloc((size_t) ranks, each);
    for (int round = 0;; round++) {
        MPI_Alltoall(sent, each, MPI_CHAR, received, each, MPI_CHAR, MPI_COMM_WORLD);
        if (rank == 0 && round == 1) {
            printf("all have talked\n");
            fflush(stdout);
        }
        usleep(50000);
    }
}
