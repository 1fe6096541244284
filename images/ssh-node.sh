#!/bin/sh
# ssh between the containers of one deployment, for MPI without Mesos.
#
#   ssh-node serve [NAME...]   make this container's keys, then serve ssh on port 2222;
#                              with names, first write their addresses to ./hosts
#   ssh-node keys              only make them: for a container that others need not reach
#   ssh-node hosts NAME...     print the address of every container that has one of the names
#   ssh-node check             whether this container's sshd takes this container's key
#
# Every container makes its own keys when it starts; they end with it. What containers share is
# an authority, whose key signs them: the file $MPI_TRUST_SECRET (default /run/secrets/mpi_ca)
# where there is one, or else a key that the first container makes in the volume $MPI_TRUST
# (default /trust). A host or a user is trusted if the authority signed its key, and only then.
# A container that is given any other command never gets here.
set -eu
umask 077

trust=${MPI_TRUST:-/trust}
secret=${MPI_TRUST_SECRET:-/run/secrets/mpi_ca}

die() {
    echo "ssh-node: $*" >&2
    exit 1
}

is_mounted() {
    awk -v path="$1" '$5 == path { found = 1 } END { exit !found }' /proc/self/mountinfo
}

# Print the path of the authority's private key; make it if this is its first use.
authority() {
    if [ -e "$secret" ]; then
        [ -r "$secret" ] || die "cannot read $secret as uid $(id -u)"
        echo "$secret"
        return
    fi
    # A directory that is not a volume would give every container an authority of its own.
    is_mounted "$trust" ||
        die "nothing to share trust with: mount one volume at $trust in all containers," \
            "or give them the secret $secret"
    [ -w "$trust" ] || die "cannot write to the volume $trust as uid $(id -u)"
    (
        flock 9
        [ -e "$trust/ca" ] || {
            rm -f "$trust/new" "$trust/new.pub"
            ssh-keygen -q -t ed25519 -N '' -C 'mpi authority' -f "$trust/new"
            rm "$trust/new.pub"
            mv "$trust/new" "$trust/ca"
        }
    ) 9>"$trust/lock"
    echo "$trust/ca"
}

make_keys() {
    if ! id -un >/dev/null 2>&1 || ! [ -w "$HOME/.ssh" ]; then
        die "ssh needs a user with a name and a home: run this as the image's own user"
    fi
    ca=$(authority)
    cd "$HOME/.ssh"
    rm -f id_ed25519* host_ed25519*
    ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f id_ed25519
    ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f host_ed25519

    # ssh-keygen refuses a key that others may read, which a mounted secret often is.
    cp "$ca" ca
    trap 'rm -f "$HOME/.ssh/ca"' EXIT
    ssh-keygen -y -f ca >ca.pub
    ssh-keygen -q -s ca -I "$(hostname)" -n "$(id -un)" id_ed25519.pub
    # A container does not know by which names the others will call it: all are called mpi-node
    # here, and ssh_config says so (HostKeyAlias).
    ssh-keygen -q -s ca -h -I "$(hostname)" -n mpi-node host_ed25519.pub
    rm -f ca
    trap - EXIT
    echo "@cert-authority mpi-node $(cat ca.pub)" >known_hosts
    cd "$OLDPWD"
}

addresses() {
    for name in "$@"; do
        found=$(getent ahostsv4 "$name" | awk '{ print $1 }' | sort -u)
        [ "$found" ] || die "no container is called $name on this network"
        echo "$found"
    done
}

serve() {
    make_keys
    if [ $# -gt 0 ]; then
        addresses "$@" >hosts.new
        chmod 644 hosts.new
        mv hosts.new hosts
    fi
    exec /usr/sbin/sshd -D -e -f /etc/ssh/mpi_sshd_config
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    serve) serve "$@" ;;
    keys) make_keys ;;
    hosts) addresses "$@" ;;
    check) exec ssh localhost true ;;
    *) die "usage: ssh-node serve [NAME...] | keys | hosts NAME... | check" ;;
esac
