#!/bin/sh
# cloud-init-per FREQUENCY NAME COMMAND [ARGUMENT...]
#
# Runs COMMAND on every boot (always), once for each instance (instance) or
# once in the life of this root (once). NAME tells one use from another.
# boothook puts this into the PATH of hooks; semaphores are cloud-init's.

usage="usage: cloud-init-per always|instance|once NAME COMMAND [ARGUMENT...]"

die() {
	echo "cloud-init-per: $*" >&2
	exit 1
}

case "$1" in
-h | --help)
	echo "$usage"
	exit 0
	;;
esac
[ $# -ge 3 ] || die "$usage"

frequency=$1 name=$2
shift 2

case "$name" in
*/*) die "a name cannot have a slash: $name" ;;
esac

# Dashes in names count as underscores. No sed, no tr: a root may have neither.
rest=$name legacy=$name name=
while :; do
	case "$rest" in
	*-*)
		name=$name${rest%%-*}_
		rest=${rest#*-}
		;;
	*) break ;;
	esac
done
name=$name$rest

cloud=/var/lib/cloud
case "$frequency" in
always | once) dir=$cloud/sem ;;
instance) dir=$cloud/instance/sem ;;
*) die "no frequency '$frequency'; $usage" ;;
esac
semaphore=$dir/bootper.$name.$frequency

if [ "$frequency" != always ]; then
	[ ! -e "$semaphore" ] || exit 0
	[ ! -e "$dir/bootper.$legacy.$frequency" ] || exit 0 # written before dashes were replaced
fi
[ -d "$dir" ] || mkdir -p "$dir" || die "no directory $dir"

"$@"
status=$?
now=$(date +%s 2>/dev/null)
printf '%s\t%s\n' "$status" "$now" >"$semaphore" || die "no semaphore $semaphore"
exit "$status"
