/* One rank ends with a chosen exit code, the others with 0.
 * Usage: exit_code CODE [RANK]
 */
#include <mpi.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Finalize();
    int code = argc > 1 ? atoi(argv[1]) : 0;
    int failing = argc > 2 ? atoi(argv[2]) : 0;
    return rank == failing ? code : 0;
}
