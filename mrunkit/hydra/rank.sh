#!/bin/sh
# Runs a rank, and sees to it that the job hears of it if the rank fails. The parameters: for how
# many seconds the others may go on then, or 0 for as long as they like, and the rank's words.
# hydra_pmi_proxy of MPICH 4.0 to 4.2 may see a rank's PMI connection close before the kernel tells
# how the rank ended; it then kills the others, and takes what ended this one for its own doing:
# mpiexec ends with 0. The connection is ours, too: the mark is there before it closes.
patience=$1
shift
trap : HUP INT QUIT TERM USR1 USR2
# A shell says on stderr which signal has ended a program; with many ranks that is many lines.
stderr=3
[ "${PMI_FD:-}" != 3 ] || stderr=4
eval "exec $stderr>&2 2>/dev/null"

# In a shell that has words for file descriptors above 9, which dash has not.
with_all_descriptors() {
    for shell in bash 'busybox sh'; do
        # shellcheck disable=SC2086 # two words are two words
        ! command -v "${shell%% *}" >/dev/null || exec $shell -c "$@"
    done
    exit 1
}

# In a shell of its own: a file that cannot be made ends the shell that tries.
mark() {
    (echo "$status" >>"$1") 2>/dev/null
}

# hydra_pmi_proxy closes the connection right after it has let the rank out of MPI_Finalize.
# shellcheck disable=SC2016 # words of their own, for the other shell
is_finalized() {
    [ -n "${PMI_FD:-}" ] && (with_all_descriptors '
for try in 1 2; do
    while read -r -t 0 -u "$PMI_FD"; do
        read -r -u "$PMI_FD" _ || exit 0
    done
    [ "$try" -eq 2 ] || sleep 0.1
done
exit 1' sh) </dev/null >/dev/null 2>&1
}

# Ranks on other hosts wait for ever for one that is gone; no version of Hydra ends them. So we call
# MPI_Abort for it, in the words of PMI-1. Where all ranks of this host have ended, hydra_pmi_proxy
# ends, too, and the client learns of the mark. All that is inherited is closed: hydra_pmi_proxy
# leaves its own pipes open in ranks, and waits for all who could write to them.
# shellcheck disable=SC2016
abort_later() {
    with_all_descriptors '
for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    [ "$fd" -lt 3 ] || [ "$fd" -eq "$PMI_FD" ] || eval "exec $fd>&-"
done
while read -r -t "$1" -u "$PMI_FD" _; do :; done
printf "cmd=abort exitcode=%d\n" "$2" >&"$PMI_FD"' sh "$patience" "$status" </dev/null >/dev/null 2>&1
}

status=0 reason=''
# shellcheck disable=SC2034 # eval uses the reason
case $1 in
*/*)
    [ -x "$1" ] || status=126 reason='Permission denied'
    [ -e "$1" ] || status=127 reason='No such file or directory'
    ;;
*) command -v "$1" >/dev/null || status=127 reason='No such file or directory' ;;
esac
if [ "$status" -ne 0 ]; then
    # In Hydra's own words, which verdict.py reads.
    eval 'echo "execvp error on file $1 ($reason)" >&'"$stderr"
else
    # Never a builtin or a function of this shell.
    eval "(exec \"\$@\" 2>&$stderr $stderr>&-)"
    status=$?
fi
[ "$status" -ne 0 ] || exit 0

case $((status - 128)) in
4 | 5 | 6 | 7 | 8 | 9 | 11 | 31) is_crash=yes ;;
*)
    is_crash=''
    # Ranks on other hosts may notice the loss at once, and we are killed while we look.
    mark "$MRUNKIT_FAILED_RANK.$$"
    if is_finalized; then
        rm -f "$MRUNKIT_FAILED_RANK.$$"
        exit "$status"
    fi
    ;;
esac
mark "$MRUNKIT_FAILED_RANK"
if [ -n "$is_crash" ]; then
    # Told as such, for mpiexec's status to be what it is without us: 11, not 139.
    # shellcheck disable=SC3045 # all shells have it; the program has left its own core
    ulimit -c 0
    kill -$((status - 128)) $$
fi
[ "$patience" -eq 0 ] || [ -z "${PMI_FD:-}" ] || abort_later &
exit "$status"
