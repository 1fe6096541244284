/* Rank 0 takes memory until it is stopped; the others wait for it. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    while (rank == 0) {
        char *piece = malloc(1 << 20);
        if (piece != NULL)
            memset(piece, 1, 1 << 20);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
