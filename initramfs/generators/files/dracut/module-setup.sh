#!/bin/bash
# dracut's module for boothook: the agent, what it needs, and its two calls,
# as hooks or, where the initrd's init is systemd, as units.

boothook_own=/usr/lib/boothook

check() {
	[[ -x ${dracutsysrootdir-}$boothook_own/boothook-agent ]]
}

depends() {
	return 0
}

# The drivers are those of any cloud, not of the machine that runs dracut.
installkernel() {
	# shellcheck source=../settings.sh
	. "${dracutsysrootdir-}$boothook_own/settings.sh"
	# instmods reads its standard input if it is given no names.
	# shellcheck disable=SC2046  # a list of words
	hostonly='' instmods $(boothook_modules "${dracutsysrootdir-}") </dev/null
}

install() {
	local unit
	# shellcheck source=../settings.sh
	. "${dracutsysrootdir-}$boothook_own/settings.sh"
	inst_multiple "$boothook_own"/{boothook-agent,boothook-extra,baked.json}
	boothook_settings "${dracutsysrootdir-}" "$initdir" || dfatal "boothook: its settings are not in the initrd"
	if dracut_module_included systemd-initrd; then
		for unit in boothook-early.service boothook-late.service; do
			inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
			mkdir -p "$initdir$systemdsystemunitdir/initrd.target.wants"
			ln -sfn "../$unit" "$initdir$systemdsystemunitdir/initrd.target.wants/$unit"
		done
	else
		inst_hook cmdline 00 "$moddir/boothook-early.sh"
		inst_hook pre-pivot 99 "$moddir/boothook-late.sh"
	fi
}
