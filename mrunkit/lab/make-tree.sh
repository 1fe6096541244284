#!/bin/sh
# Make a base tree of a distribution's packages. Runs in mount and pid namespaces of its own, so that
# whatever ends it, no mount and no process stays.
#
#   make-tree.sh TREE SUITE SCRIPT COMPONENTS KEYRING ARCHIVES FILES PACKAGE...
#                                                         MIRROR in the environment
#
# Lines that begin with "== " say what it does next.
# ARCHIVES keeps downloaded packages; FILES are laid over the tree before apt runs in it.
set -eu
umask 022

tree=$1 suite=$2 script=$3 components=$4 keyring=$5 archives=$6 files=$7
shift 7

echo "== making a minimal system"
debootstrap --variant=minbase --cache-dir="$archives" --keyring="$keyring" \
    --components="$components" "$suite" "$tree" "$MIRROR" "$script"

if [ -s "$files/etc/apt/sources.list" ]; then
    # Not to be read beside ours.
    rm -f "$tree"/etc/apt/sources.list.d/*
fi
chmod -R u=rwX,go=rX "$files"
cp -RP "$files/." "$tree/"

echo "== installing packages"
# Nothing of the tree's packages may start here.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
rm -f "$tree/etc/resolv.conf"
cp /etc/resolv.conf "$tree/etc/resolv.conf"
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount --bind "$archives" "$tree/var/cache/apt/archives"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR
chroot "$tree" apt-get -qq update
chroot "$tree" apt-get -qq -o APT::Sandbox::User=root -o APT::Keep-Downloaded-Packages=true \
    install -y --no-install-recommends "$@"
umount "$tree/var/cache/apt/archives" "$tree/sys" "$tree/proc"

# What each host has to have of its own. An empty machine-id, unlike none, is no first boot on
# which systemd would choose anew what is enabled.
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id" "$tree/usr/sbin/policy-rc.d"
: >"$tree/etc/machine-id"
: >"$tree/etc/resolv.conf"
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/log/apt/* \
    "$tree"/var/log/*.log
