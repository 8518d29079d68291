#!/bin/sh
# Written by boothook. Runs the late scripts of this machine's user-data, in
# the order and at the times cloud-init has for them, and is started by the
# job "boothook-final" of this system's init after everything else.
#
#   once per instance  /var/lib/cloud/instance/scripts (and scripts/vendor)
#   once               /var/lib/cloud/scripts/per-once
#   on every boot      /var/lib/cloud/scripts/per-boot
#   once per instance  /var/lib/cloud/scripts/per-instance
#
# What ran already is told by the semaphore files in the "sem" directories;
# take one away and its scripts run again at the next boot. Output goes to the
# log below and to where the init sends this job's own output. Each script
# leaves a line in /run/boothook/late. A script that fails does not stop the
# others; this job fails at the end.

# Not every init has one for its jobs, or the local directories in it.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
cloud=/var/lib/cloud
log=/var/log/cloud-init-output.log
run=/run/boothook
ci=/run/cloud-init
failed=0

# run_parts NAME DIRECTORY: runs the executable files in the order of names.
# $prefix, if any, is a command that the vendor's scripts are run through.
run_parts() {
	[ -d "$2" ] || return 0
	set -f
	IFS='
'
	for name in $(LC_ALL=C ls -A "$2"); do
		path=$2/$name
		[ -f "$path" ] && [ -x "$path" ] || continue
		unset IFS
		set +f
		(cd / && eval "$prefix \"\$path\"")
		status=$?
		printf '{"at":%s,"name":"%s/%s","exit":%s}\n' "$(date +%s)" "$1" \
			"$(printf %s "$name" | tr -d '"\\[:cntrl:]')" "$status" >>"$run/late"
		if [ "$status" -ne 0 ]; then
			echo "boothook: $path failed with exit status $status" >&2
			failed=$((failed + 1))
		fi
		set -f
		IFS='
'
	done
	unset IFS
	set +f
}

# once SEMAPHORE NAME DIRECTORY: run_parts, unless the semaphore is there.
once() {
	[ -e "$1" ] && return 0
	mkdir -p "${1%/*}" && echo "$$: $(date +%s)" >"$1" || return 0
	run_parts "$2" "$3"
}

mkdir -p "$run"
rm -f "$run/boot-finished"
[ -e "$log" ] || { (umask 027 && : >>"$log"); chgrp adm "$log" 2>/dev/null; }
# A script may leave something running that keeps its output open, so nobody
# waits for tee to end.
rm -f "$run/output"
if mkfifo -m 600 "$run/output"; then
	tee -a "$log" <"$run/output" &
	exec >"$run/output" 2>&1
	rm -f "$run/output"
fi

prefix=
[ -r "$cloud/instance/scripts/.vendor-prefix" ] && prefix=$(cat "$cloud/instance/scripts/.vendor-prefix")
once "$cloud/instance/sem/config_scripts_vendor" vendor "$cloud/instance/scripts/vendor"
prefix=
once "$cloud/sem/config_scripts_per_once.once" per-once "$cloud/scripts/per-once"
run_parts per-boot "$cloud/scripts/per-boot"
once "$cloud/instance/sem/config_scripts_per_instance" per-instance "$cloud/scripts/per-instance"
once "$cloud/instance/sem/config_scripts_user" scripts "$cloud/instance/scripts"

# In /run, so that the next boot does not begin with this one's.
read -r uptime idle </proc/uptime
echo "$uptime - $(date -R 2>/dev/null || date) - boothook" >"$run/boot-finished"
ln -sf "$run/boot-finished" "$cloud/instance/boot-finished"
now=$(date +%s)
printf '{"at":%s,"name":"finished","exit":%s}\n' "$now" "$failed" >>"$run/late"

# For "cloud-init status --wait" and whatever else waits for cloud-init, unless
# it runs itself and says so there.
if [ ! -e "$ci/status.json" ] && mkdir -p "$ci"; then
	errors=
	[ "$failed" -eq 0 ] || errors="\"$failed late scripts failed\""
	printf '{"v1":{"datasource":"%s","stage":null,"errors":[%s],"modules-final":{"errors":[%s],"start":%s,"finished":%s}}}\n' \
		"$(tr -d '"\\[:cntrl:]' <"$cloud/instance/datasource")" "$errors" "$errors" "$now" "$now" >"$ci/result.json"
	cp "$ci/result.json" "$ci/status.json"
fi
if [ "$failed" -ne 0 ]; then
	echo "boothook: $failed late scripts failed" >&2
	exit 1
fi
