#!/bin/sh
# Makes the directory DIR a Debian RELEASE with its own cloud-init package in
# it, and more packages if they are named, for the conformance runs. Does nothing
# when DIR is already complete. Needs root and a Debian mirror.
#
# usage: chroot.sh RELEASE DIR [PACKAGE,...]
set -eu
release=$1 dir=$2
[ -e "$dir/.complete" ] && exit 0
command -v mmdebstrap >/dev/null || {
	echo "chroot.sh: mmdebstrap is needed: apt-get install mmdebstrap" >&2
	exit 1
}
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
# No services are started in it and no kernel is installed: it is only ever
# entered with chroot(8), to call cloud-init's Python code and other programs.
mmdebstrap --quiet --mode=root --variant=apt --include="cloud-init${3:+,$3}" \
	--aptopt='APT::Install-Recommends "false"' "$release" "$dir"
touch "$dir/.complete"
