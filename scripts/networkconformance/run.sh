#!/bin/sh
# Compares what boothook writes for network daemons with cloud-init's renderers
# and netplan's generator of Debian 13, in a chroot under build/ that is made on
# the first run. Needs root, mmdebstrap and, the first time, a Debian mirror.
#
# usage: scripts/networkconformance/run.sh [-v] [-only NAME]
set -eu
cd "$(dirname "$0")/../.."
dir=build/conformance/network
if ! [ -e "$dir/.complete" ]; then
	command -v mmdebstrap >/dev/null || {
		echo "run.sh: mmdebstrap is needed: apt-get install mmdebstrap" >&2
		exit 1
	}
	rm -rf "$dir"
	mkdir -p "$(dirname "$dir")"
	# Nothing is started in it: chroot(8) enters it to call Python and netplan's
	# generator. systemd is there for the account of networkd's files.
	mmdebstrap --quiet --mode=root --variant=apt --include=cloud-init,netplan-generator,systemd \
		--aptopt='APT::Install-Recommends "false"' trixie "$dir"
	touch "$dir/.complete"
fi
go build -o build/conformance/compare-network ./scripts/networkconformance
build/conformance/compare-network "$@" --chroot "$dir" \
	--cases scripts/networkconformance/cases --differences scripts/networkconformance/differences.txt
