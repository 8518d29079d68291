#!/bin/sh
# Compares what boothook writes for network daemons with cloud-init's renderers
# and netplan's generator of Debian 13, in a chroot under build/ that is made on
# the first run. Needs root, mmdebstrap and, the first time, a Debian mirror.
#
# usage: scripts/networkconformance/run.sh [-v] [-only NAME]
set -eu
cd "$(dirname "$0")/../.."
dir=build/conformance/network
# systemd is there for the account of networkd's files.
sh scripts/conformance/chroot.sh trixie "$dir" netplan-generator,systemd
go build -o build/conformance/compare-network ./scripts/networkconformance
build/conformance/compare-network "$@" --chroot "$dir" \
	--cases scripts/networkconformance/cases --differences scripts/networkconformance/differences.txt
