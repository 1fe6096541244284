/* Integrates 4 / (1 + x^2) from 0 to 1, each rank every n-th interval.
 * Usage: pi [INTERVALS]
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int ranks, rank;
    double pi, part = 0.0;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);

    long intervals = argc > 1 ? atol(argv[1]) : 10000000;
    double width = 1.0 / (double) intervals;
    double start = MPI_Wtime();
    for (long i = rank; i < intervals; i += ranks) {
        double x = width * ((double) i + 0.5);
        part += 4.0 / (1.0 + x * x);
    }
    part *= width;
    MPI_Reduce(&part, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("pi is %.12f (%d ranks, %.3f s)\n", pi, ranks, MPI_Wtime() - start);
    MPI_Finalize();
    return 0;
}
