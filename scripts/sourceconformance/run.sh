#!/bin/sh
# Compares what boothook's datasources make of metadata documents with what
# Debian 13's cloud-init makes of them, in the chroot of the network's comparison,
# which is made on the first run. Needs root, mmdebstrap and then a Debian mirror.
#
# usage: scripts/sourceconformance/run.sh [-v] [-only NAME]
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
	mmdebstrap --quiet --mode=root --variant=apt --include=cloud-init,netplan-generator,systemd \
		--aptopt='APT::Install-Recommends "false"' trixie "$dir"
	touch "$dir/.complete"
fi
go build -o build/conformance/compare-sources ./scripts/sourceconformance
build/conformance/compare-sources "$@" --chroot "$dir" \
	--cases scripts/sourceconformance/cases --differences scripts/sourceconformance/differences.txt
