#!/bin/sh
# Compares what boothook's datasources make of metadata documents with what
# Debian 13's cloud-init makes of them, in the chroot of the network's comparison,
# which is made on the first run. Needs root, mmdebstrap and then a Debian mirror.
#
# usage: scripts/sourceconformance/run.sh [-v] [-only NAME]
set -eu
cd "$(dirname "$0")/../.."
dir=build/conformance/network
sh scripts/conformance/chroot.sh trixie "$dir" netplan-generator,systemd
go build -o build/conformance/compare-sources ./scripts/sourceconformance
build/conformance/compare-sources "$@" --chroot "$dir" \
	--cases scripts/sourceconformance/cases --differences scripts/sourceconformance/differences.txt
