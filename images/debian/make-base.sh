#!/usr/bin/env bash
# Make a base image from Debian's packages, for machines that can pull no image.
#
#   make-base.sh [--suite SUITE] [--mirror URL] [--refresh] [TAG]
#
# The image's apt is set up as this machine's: its Debian sources and its settings for proxies,
# https and dates. So build images for others on debian:13-slim, not on this one.
# The tree is made once and kept in $MRUNKIT_CACHE (default: ~/.cache/mrunkit); --refresh makes
# it anew. Without --mirror, packages come from where this machine's apt takes its own.
set -euo pipefail

suite=trixie
mirror=
refresh=
tag=
cache=${MRUNKIT_CACHE:-$HOME/.cache/mrunkit}

die() {
    echo "make-base: $*" >&2
    exit 1
}

# The Debian sources of this machine's apt, one "deb" line each, with the suite that is wanted in
# place of this machine's own: the updates and security fixes of the one are where the other's are.
host_sources() {
    command -v apt-get >/dev/null || return 0
    local own
    # shellcheck source=/dev/null
    own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt-get fills these in, not the shell
    apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
        --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' | awk -v own="$own" -v suite="$suite" '
            $3 == own || index($3, own "-") == 1 {
                $3 = suite substr($3, length(own) + 1)
                print
            }'
}

host_settings() {
    command -v apt-config >/dev/null || return 0
    apt-config dump | awk '/^Acquire::(http|https|Check)/'
}

# Documentation and translations go, as in Debian's slim images, and stay away.
slim_down() {
    cat >"$1/etc/dpkg/dpkg.cfg.d/slim" <<'SLIM'
path-exclude /usr/share/doc/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
path-include /usr/share/doc/*/copyright
SLIM
    find "$1/usr/share/doc" -type f ! -name copyright -delete
    rm -rf "$1"/usr/share/{info,locale,man}/* "$1"/var/lib/apt/lists/* \
        "$1"/var/cache/apt/* "$1"/var/log/*
}

configure_apt() {
    local tree=$1 sources settings
    sources=$(host_sources)
    settings=$(host_settings)
    if [[ $sources && ! $mirror ]]; then
        echo "$sources" >"$tree/etc/apt/sources.list"
    fi
    if [[ $settings ]]; then
        echo "$settings" >"$tree/etc/apt/apt.conf.d/90host"
    fi
    # Sources over https need the authorities that this machine trusts.
    if grep -q 'https:' "$tree/etc/apt/sources.list"; then
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt -t "$tree/etc/ssl/certs"
    fi
}

make_tree() {
    command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install debootstrap"
    [[ $(id -u) == 0 ]] || die "needs root, as debootstrap does"
    local archive=$1 from
    from=${mirror:-$(host_sources | awk -v suite="$suite" '$3 == suite { print $2; exit }')}
    work=$(mktemp -d "$cache/base.XXXXXX")
    trap 'rm -rf "$work"' EXIT # global, since the trap runs outside this function
    debootstrap --variant=minbase "$suite" "$work/tree" ${from:+"$from"} >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        die "debootstrap of $suite failed"
    }
    configure_apt "$work/tree"
    slim_down "$work/tree"
    tar -C "$work/tree" --numeric-owner --one-file-system -cf "$work/archive" .
    mv "$work/archive" "$archive"
}

while (($#)); do
    case $1 in
        --suite) suite=${2:?} && shift 2 ;;
        --mirror) mirror=${2:?} && shift 2 ;;
        --refresh) refresh=yes && shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit ;;
        -*) die "unknown option $1: see --help" ;;
        *) tag=$1 && shift ;;
    esac
done
tag=${tag:-mrunkit/debian-base:$suite}

mkdir -p "$cache"
# Another version of this script, or other sources, make another tree.
inputs=$({ cat "$0"; echo "$suite $mirror"; host_sources; host_settings; } | sha256sum | cut -c-12)
archive=$cache/debian-$suite-$inputs.tar
if [[ $refresh || ! -e $archive ]]; then
    make_tree "$archive"
fi
# Importing the same tree twice gives two images, and everything built on the first is built anew.
made=$(stat -c %Y "$archive")
label=$(docker image inspect -f '{{index .Config.Labels "mrunkit.base"}}' "$tag" 2>/dev/null || true)
if [[ $label != "$inputs-$made" ]]; then
    docker import --change 'CMD ["bash"]' --change "LABEL mrunkit.base=$inputs-$made" \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "$archive" "$tag" >/dev/null
fi
echo "$tag"
