#!/bin/sh
# Fail an image's build unless its MPICH is what its labels say and starts 4 ranks.
#
#   self-test.sh VERSION LIBRARY...
set -eu
version=$1
shift

found=$(mpichversion | sed -n 's/^MPICH Version:[[:space:]]*//p')
[ "$found" = "$version" ] || {
    echo "self-test: MPICH is $found, but MPICH_VERSION says $version" >&2
    exit 1
}

for library in "$@"; do
    [ -n "$(find /usr/lib /usr/local/lib -name "$library")" ] || {
        echo "self-test: there is no $library" >&2
        exit 1
    }
done

expected=$(for rank in 0 1 2 3; do echo "rank $rank of 4 on $(hostname)"; done)
printed=$(mpiexec -n 4 mpi-hello | sort)
[ "$printed" = "$expected" ] || {
    printf 'self-test: expected\n%s\nbut 4 ranks printed\n%s\n' "$expected" "$printed" >&2
    exit 1
}
echo "self-test: MPICH $found runs 4 ranks"
