/* A token goes around all ranks; each adds its number. Shows that every rank reaches
 * its neighbour, on whichever host that is.
 * Usage: ring [ROUNDS]
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int ranks, rank;
    long token = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);

    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
    for (int round = 0; round < rounds; round++) {
        if (rank > 0) {
            MPI_Recv(&token, 1, MPI_LONG, previous, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            token += rank;
        }
        if (ranks > 1)
            MPI_Send(&token, 1, MPI_LONG, next, 0, MPI_COMM_WORLD);
        if (rank == 0 && ranks > 1)
            MPI_Recv(&token, 1, MPI_LONG, previous, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    if (rank == 0) {
        long expected = (long) rounds * ranks * (ranks - 1) / 2;
        printf("token is %ld after %d rounds over %d ranks\n", token, rounds, ranks);
        if (token != expected) {
            fprintf(stderr, "expected %ld\n", expected);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
    MPI_Finalize();
    return 0;
}
