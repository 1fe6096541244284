/* Ranks 0 and 1 send messages back and forth; rank 0 prints latency and bandwidth per
 * size. With -N 2 they are on two hosts.
 * Usage: pingpong [LARGEST_BYTES]
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static double seconds_per_round(char *buffer, int bytes, int rounds, int rank)
{
    double start = 0.0;
    /* The first rounds connect and warm up; they do not count. */
    for (int round = -10; round < rounds; round++) {
        if (round == 0)
            start = MPI_Wtime();
        if (rank == 0) {
            MPI_Send(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
            MPI_Recv(buffer, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else if (rank == 1) {
            MPI_Recv(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
        }
    }
    return (MPI_Wtime() - start) / rounds;
}

int main(int argc, char **argv)
{
    int ranks, rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (ranks < 2) {
        fprintf(stderr, "pingpong needs 2 ranks\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }

    int largest = argc > 1 ? atoi(argv[1]) : 4 << 20;
    char *buffer = calloc((size_t) largest + 1, 1);
    if (rank == 0)
        printf("%10s %14s %14s\n", "bytes", "latency (us)", "MB/s");
    for (int bytes = 1; bytes <= largest; bytes *= 4) {
        int rounds = bytes < 65536 ? 200 : 20;
        double one_way = seconds_per_round(buffer, bytes, rounds, rank) / 2;
        if (rank == 0) {
            printf("%10d %14.2f %14.2f\n", bytes, one_way * 1e6, bytes / one_way / 1e6);
            fflush(stdout);
        }
    }
    free(buffer);
    MPI_Finalize();
    return 0;
}
