#!/bin/sh
# Fetch MPICH's source, check it, compile it and install it, in two trees:
#
#   build-mpich.sh OUT     OUT/runtime: what starts and runs a program
#                          OUT/devel:   what compiles one, on top of that
#
#   MPICH_VERSION    required, e.g. 3.2.1
#   MPICH_SHA256     required: the checksum of the source archive
#   MPICH_URL        where the archive is, if not at mpich.org; https only
#   MPICH_CFLAGS     instead of the flags below
#   PREFIX           where MPICH will live in the image (default: /usr/local)
#
# Plain POSIX sh, since it runs on Alpine and by hand on any Linux. Needs curl, a C compiler, make.
set -eu

version=${MPICH_VERSION:?set MPICH_VERSION, e.g. 3.2.1}
sha256=${MPICH_SHA256:?set MPICH_SHA256: images/README.md has a table}
url=${MPICH_URL:-https://www.mpich.org/static/downloads/$version/mpich-$version.tar.gz}
prefix=${PREFIX:-/usr/local}
out=${1:?usage: build-mpich.sh OUT}

# What MPICH 3.2 (2015) needs of a compiler of today; newer versions do not mind.
#   -fcommon      gcc 10 made -fno-common the default: duplicate symbols at link time
#   -Wno-error=   gcc 14 made these warnings of C99 errors, which -w does not undo
#   -std=gnu17    gcc 15 made C23 the default, where bool is a keyword and f() means f(void)
cflags=${MPICH_CFLAGS:--O2 -w -fcommon -std=gnu17 \
-Wno-error=implicit-function-declaration \
-Wno-error=incompatible-pointer-types \
-Wno-error=int-conversion}

die() {
    echo "build-mpich: $*" >&2
    exit 1
}

fetch() {
    # --proto also holds for what a redirection leads to.
    curl -fsSL --proto '=https' --retry 3 -o "$2" "$1" ||
        die "cannot fetch $1: give another place with MPICH_URL"
}

verify() {
    echo "$sha256  $1" | sha256sum -c - >/dev/null 2>&1 ||
        die "checksum of $url is $(sha256sum "$1" | cut -d' ' -f1), expected $sha256"
}

compile() {
    # ch3 on every version, so that one set of MPIR_CVAR_CH3_* settings steers all these images.
    ./configure --prefix="$prefix" --with-device=ch3:nemesis \
        --disable-fortran --disable-cxx --disable-romio --enable-fast=O1 CFLAGS="$cflags"
    make -j "$(nproc)"
    make install DESTDIR="$1"
}

strip_programs() {
    find "$1/bin" "$1/lib" -type f | while read -r file; do
        case $(head -c 4 "$file" | tail -c 3) in
            ELF) strip --strip-unneeded "$file" ;;
        esac
    done
}

# $1: what `make install` made, $2: the runtime's tree. The rest of $1 is for compiling.
split_runtime() {
    mkdir -p "$2/bin" "$2/lib"
    for program in mpiexec mpiexec.hydra mpirun hydra_pmi_proxy hydra_nameserver mpichversion; do
        mv "$1/bin/$program" "$2/bin/"
    done
    for library in "$1"/lib/*.so.*; do
        mv "$library" "$2/lib/"
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch "$url" "$work/mpich.tar.gz"
verify "$work/mpich.tar.gz"
mkdir "$work/source"
tar -xzf "$work/mpich.tar.gz" -C "$work/source" --strip-components=1
(cd "$work/source" && compile "$work/all") >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    die "MPICH $version does not compile here; the last lines are above"
}

installed=$work/all$prefix
rm -rf "$installed"/lib/*.a "$installed"/lib/*.la "$installed/share"
strip_programs "$installed"
mkdir -p "$out/devel$prefix"
split_runtime "$installed" "$out/runtime$prefix"
cp -a "$installed/." "$out/devel$prefix/"
