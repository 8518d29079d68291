#!/bin/sh
# Ignition's stages as its units run them, one process each; the network comes
# from udhcpc, because Ignition leaves it to others.
# usage: ignition.sh ROOT CACHE
set -e
root=$1 cache=$2
here=${0%/*}
ip link set eth0 up
udhcpc -q -n -f -i eth0 -s "$here/lease.sh" -t 20 -T 1 >/dev/null 2>&1
for stage in fetch-offline fetch kargs disks mount files; do
	/usr/lib/dracut/modules.d/30ignition/ignition --platform aws --stage $stage --root "$root" \
		--config-cache "$cache/ignition.json" --neednet "$cache/neednet" --state-file "$cache/state"
done
ip addr flush dev eth0
ip link set eth0 down
