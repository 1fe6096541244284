/* One rank ends with a chosen exit code, the others with 0.
 * Usage: exit_code CODE [RANK [early]]
 * early: it ends before MPI_Finalize, for which the others wait.
 */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    int rank;
    int code = argc > 1 ? atoi(argv[1]) : 0;
    int failing = argc > 2 ? atoi(argv[2]) : 0;
    int early = argc > 3 && strcmp(argv[3], "early") == 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (early && rank == failing)
        exit(code);
    if (early)
        MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return rank == failing ? code : 0;
}
