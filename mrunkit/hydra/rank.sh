#!/bin/sh
# Runs a rank, and leaves a mark if it did not end well; its words are the parameters.
# hydra_pmi_proxy of MPICH 4.0 to 4.2 may see a rank's PMI connection close before the kernel tells
# how the rank ended; it then kills the others, and takes what ended this one for its own doing:
# mpiexec ends with 0. The connection is ours, too: the mark is there before it closes.
trap : HUP INT QUIT TERM USR1 USR2
# Told in Hydra's own words, which verdict.py reads.
refuse() {
    echo "execvp error on file $2 ($3)" >&2
    exit "$1"
}
case $1 in
*/*)
    [ -e "$1" ] || refuse 127 "$1" "No such file or directory"
    [ -x "$1" ] || refuse 126 "$1" "Permission denied"
    ;;
*) command -v "$1" >/dev/null || refuse 127 "$1" "No such file or directory" ;;
esac
# Never a builtin or a function of this shell.
(exec "$@")
status=$?
[ "$status" -ne 0 ] || exit 0
# In a shell of its own: a file that cannot be made ends the shell that tries.
(: >"$MRUNKIT_FAILED_RANK") 2>/dev/null
# A crash is told as such, for mpiexec's status to be what it is without us: 11, not 139.
case $((status - 128)) in
4 | 5 | 6 | 7 | 8 | 9 | 11 | 31)
    # shellcheck disable=SC3045 # all shells have it; the program has left its own core
    ulimit -c 0
    kill -$((status - 128)) $$
    ;;
esac
exit "$status"
