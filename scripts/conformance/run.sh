#!/bin/sh
# Compares boothook with the cloud-init of Debian 12 and Debian 13, each in a
# chroot under build/ that is made on the first run: what becomes of user-data,
# and before it how YAML is read. Needs root, mmdebstrap and, the first time, a
# Debian mirror.
#
# usage: scripts/conformance/run.sh [-v]
set -eu
cd "$(dirname "$0")/../.."
go build -o build/conformance/compare ./scripts/conformance
go build -o build/conformance/yaml ./scripts/conformance/yaml
status=0
for release in bookworm trixie; do
	sh scripts/conformance/chroot.sh "$release" "build/conformance/$release"
	build/conformance/yaml --python "build/conformance/$release" \
		--documents netboot/yaml/testdata/documents || status=1
	build/conformance/compare "$@" \
		--chroot "build/conformance/$release" \
		--cases injector/userdata/testdata/cases,scripts/conformance/cases \
		--differences scripts/conformance/differences.txt || status=1
done
exit $status
