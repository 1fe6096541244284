#!/bin/sh
# Runs a node's part of an MPI job: calls in at the rendezvous, waits for the launch line,
# runs hydra_pmi_proxy with it, and sees to it that no rank is left. See proxy.py for the
# variables. The words of the launch line are never looked at by a shell.
set -fu

# Only what is started from here on has this variable. Each rank is in a session of its own
# and hydra_pmi_proxy takes its ranks along only if it gets to it: this is how they are found.
MRUNKIT_RANKS_OF=$MRUNKIT_TASK
# A sandbox belongs to the task's account on the host, and its container may run as somebody else.
sandbox=${MESOS_SANDBOX:-$PWD}
[ -w "$sandbox" ] || sandbox=/tmp
# What rank.sh makes, if it is around the ranks: this file, or one with its pid behind a dot.
MRUNKIT_FAILED_RANK=$sandbox/mrunkit-failed-rank.$MRUNKIT_TASK
export MRUNKIT_RANKS_OF MRUNKIT_FAILED_RANK
child='' stopped='' problem='' version='' word='' failed=''

# The token is in no list of processes from here on, except with wget, which may be busybox's
# and have nothing better. (Docker's own command line, on the host, shows a container's variables.)
# bash comes first for its speed: all in all a fifth of what curl takes, with 64 on one machine it
# counts. Its `mapfile` does not read byte by byte, and it becomes the proxy by itself.
# shellcheck disable=SC2016 # for another shell
in_bash='
proxy=$1 server=${MRUNKIT_RENDEZVOUS#*://}
shift
exec 3<>"/dev/tcp/${server%:*}/${server##*:}" || exit 69
printf "%s\r\n" "GET / HTTP/1.1" "Authorization: Bearer $MRUNKIT_TOKEN" "$@" "" >&3
mapfile -t -u 3 words
exec 3>&-
[[ ${words[0]:-} == "HTTP/1.1 200"* && ${words[${#words[@]} - 1]} == HYDRA_LAUNCH_END ]] || exit 69
while [[ ${#words[0]} -gt 1 ]]; do words=("${words[@]:1}"); done
unset MRUNKIT_RENDEZVOUS MRUNKIT_TOKEN
exec "$proxy" "${words[@]:1:${#words[@]} - 2}" </dev/null
'

request() {
    if command -v curl >/dev/null; then
        for header in "Authorization: Bearer $MRUNKIT_TOKEN" "$@"; do
            printf 'header = "%s"\n' "$header"
        done | curl -qfsSN --connect-timeout 20 -K - "$MRUNKIT_RENDEZVOUS/"
    elif command -v python3 >/dev/null; then
        exec python3 -IS -c '
import os, socket, sys
host, port = os.environ["MRUNKIT_RENDEZVOUS"].partition("://")[2].rsplit(":", 1)
token = "Authorization: Bearer " + os.environ["MRUNKIT_TOKEN"]
s = socket.create_connection((host, int(port)), 20)
s.settimeout(None)
s.sendall("\r\n".join(["GET / HTTP/1.1", token, *sys.argv[1:], "", ""]).encode())
head, _, body = s.makefile("rb").read().partition(b"\r\n\r\n")
if head.startswith(b"HTTP/1.1 200"):
    sys.stdout.write(body.decode())
' "$@"
    else
        for header in "$@"; do
            shift
            set -- "$@" --header "$header"
        done
        exec wget -qO - --header "Authorization: Bearer $MRUNKIT_TOKEN" "$@" "$MRUNKIT_RENDEZVOUS/"
    fi
}

# Hosts with Docker all have its bridges, with the same addresses, and a container on an overlay has
# a way to its host: MPICH would try those, too. InfiniBand may be taken beside the interface, but
# not by a job that has to stay on a network.
bind_to_interface() {
    while read -r _ interface _ cidr _; do
        [ "${cidr%%/*}" = "$address" ] || continue
        export FI_TCP_IFACE="$interface" FI_SOCKETS_IFACE="$interface"
        if [ -n "${MRUNKIT_BIND:-}" ] || [ -z "$(ls /sys/class/infiniband 2>/dev/null)" ]; then
            export UCX_NET_DEVICES="$interface"
        fi
    done <<EOF
$(ip -o -4 addr show 2>/dev/null)
EOF
}

# Sets `kills`: how often the kernel has killed here because a memory limit was reached.
count_memory_kills() {
    kills=0
    for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -r "$events" ] || continue
        while read -r word count; do
            [ "$word" != oom_kill ] || kills=$count
        done <"$events"
    done
}

# Reads the answer of `request`.
run_proxy() {
    set --
    while IFS= read -r word && [ "$word" != HYDRA_LAUNCH_END ]; do set -- "$@" "$word"; done
    [ "$word" = HYDRA_LAUNCH_END ] || exit 69
    unset MRUNKIT_RENDEZVOUS MRUNKIT_TOKEN
    exec "$proxy" "$@" </dev/null
}

# In an Alpine container grep lacks -z; there are few processes to look through there.
marked() {
    (
        set +f
        unset MRUNKIT_RANKS_OF
        if grep -qz . /proc/self/environ 2>/dev/null; then
            exec grep -slzxF "MRUNKIT_RANKS_OF=$MRUNKIT_TASK" /proc/[0-9]*/environ
        fi
        for environ in /proc/[0-9]*/environ; do
            tr '\0' '\n' 2>/dev/null <"$environ" |
                grep -qxF "MRUNKIT_RANKS_OF=$MRUNKIT_TASK" && echo "$environ"
        done
    ) 2>/dev/null
}

# True if there was anybody to signal.
signal_ranks() {
    found=1
    for environ in $(marked); do
        environ=${environ#/proc/}
        kill -"$1" "${environ%/environ}" 2>/dev/null && found=0
    done
    return "$found"
}

# Sets `failed`: the status of the first rank that has failed, if any has.
read_failed_rank() {
    set +f
    for mark in "$MRUNKIT_FAILED_RANK" "$MRUNKIT_FAILED_RANK".*; do
        read -r failed <"$mark" && break
    done 2>/dev/null
    set -f
    [ -n "$failed" ]
}

# What MPICH leaves when it is cut short: the proxy a picture of the machine, which ranks look at
# while they start and can do without; ranks the memory that they share, 1 to 3 MB of it. Neither
# name tells the job, so what is not another user's goes, and memory only if no process maps it.
# A PID namespace could hide one that does; but it needs the name for the start of its ranks only.
clear_away() {
    set +f
    # shellcheck disable=SC3067 # dash and busybox have -O
    for file in /tmp/hydra_hwloc_xmlfile_*; do
        [ ! -O "$file" ] || rm -f "$file"
    done
    set -- -maxdepth 1 -name 'mpich_sh*' -user "$(id -u)"
    [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] || set -- "$@" -mmin +1
    find /dev/shm "$@" 2>/dev/null | while IFS= read -r file; do
        grep -qsF "$file" /proc/[0-9]*/maps || rm -f "$file"
    done
}

# hydra_pmi_proxy ignores TERM, and ends when its ranks have ended.
stop() {
    trap '' TERM INT HUP
    stopped=143 tries=0
    signal_ranks TERM
    while kill -0 "$child" 2>/dev/null && [ "$tries" -lt 20 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -KILL "$child" 2>/dev/null
}

address=${MRUNKIT_ADDRESS:-$(hostname -i 2>/dev/null)}
address=${address%% *}
proxy=${MRUNKIT_PROXY:-}
[ -x "$proxy" ] || proxy=$(command -v hydra_pmi_proxy) || problem=no-proxy
cd "${MRUNKIT_WORKDIR:-.}" || problem=no-workdir
version=${MRUNKIT_MPICH:-}
if [ -z "$version$problem" ]; then
    version=$("${proxy%/*}/mpiexec.hydra" --version 2>/dev/null) || version=''
    # shellcheck disable=SC2086 # to take the first word
    set -- ${version#*Version:}
    version=${1:-}
fi

case $address in
127.*) ;; # all of a cluster on this machine
*) bind_to_interface ;;
esac
unset MRUNKIT_ADDRESS MRUNKIT_PROXY MRUNKIT_WORKDIR MRUNKIT_BIND MRUNKIT_MPICH
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
[ -z "${MRUNKIT_OWN_MEMORY:-}" ] || count_memory_kills
kills_before=${kills:-}
set -- "Mrunkit-Task: $MRUNKIT_TASK" "Mrunkit-Address: $address" "Mrunkit-Mpich: $version" \
    ${problem:+"Mrunkit-Problem: $problem"}
trap stop TERM INT HUP
if command -v bash >/dev/null; then
    # Also where this is one: only what is executed from here on is found by its environment.
    bash -c "$in_bash" bash "$proxy" "$@" &
else
    request "$@" | run_proxy &
fi
child=$!
[ -z "$stopped" ] || stop
while :; do
    wait "$child"
    status=$?
    kill -0 "$child" 2>/dev/null || break
done
status=${stopped:-$status}
# hydra_pmi_proxy ends with 0 even if a rank failed, or the kernel killed one; with 7, a number of
# its own, where such a rank has ended the others.
if [ "$status" -lt 128 ] && read_failed_rank; then
    case $failed in
    126 | 127) status=$((160 + failed - 35)) ;;
    [1-9] | [1-8][0-9] | 90) status=$((160 + failed)) ;;
    *) status=160 ;;
    esac
fi
if [ -n "${MRUNKIT_OWN_MEMORY:-}" ]; then
    count_memory_kills
    [ "$kills" -eq "$kills_before" ] || status=76
fi
if [ "$status" -ne 0 ]; then
    tries=0
    while signal_ranks KILL && [ "$tries" -lt 50 ]; do
        tries=$((tries + 1))
    done
    clear_away
fi
exit "$status"
