#!/bin/bash
# dracut's module for boothook: the agent, what it needs, and its two calls,
# as hooks or, where the initrd's init is systemd, as units.

boothook_own=/usr/lib/boothook
boothook_settings=/etc/boothook

check() {
	[[ -x ${dracutsysrootdir-}$boothook_own/boothook-agent ]]
}

depends() {
	return 0
}

# The drivers are those of any cloud, not of the machine that runs dracut.
installkernel() {
	local list=${dracutsysrootdir-}$boothook_settings/modules
	[[ -e $list ]] || return 0
	# shellcheck disable=SC2046  # a list of words
	hostonly='' instmods $(sed 's/#.*//' "$list")
}

install() {
	local unit file
	inst_multiple "$boothook_own"/{boothook-agent,boothook-tls,baked.json}
	boothook_install_settings
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

# All that lies in /etc/boothook belongs to the agent, but for two files that
# are read here: the list of modules, and kernel words with comments.
boothook_install_settings() {
	local root=${dracutsysrootdir-} bundle
	mkdir -p "$initdir$boothook_settings"
	if [[ -d $root$boothook_settings ]]; then
		cp -a "$root$boothook_settings/." "$initdir$boothook_settings/"
	fi
	rm -f "$initdir$boothook_settings"/{modules,cmdline}
	if [[ -e $root$boothook_settings/cmdline ]]; then
		sed '/^[[:space:]]*#/d' "$root$boothook_settings/cmdline" | tr -s '[:space:]' ' ' >"$initdir$boothook_settings/cmdline"
	fi
	# The last boot's word that this machine has nothing more to ask.
	rm -f "$initdir$boothook_settings/known"
	if [[ -e $root/var/lib/boothook/known ]]; then
		cp "$root/var/lib/boothook/known" "$initdir$boothook_settings/known"
	fi
	[[ -e $root$boothook_settings/ca.pem ]] && return 0
	for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
		[[ -e $root$bundle ]] || continue
		cp -L "$root$bundle" "$initdir$boothook_settings/ca.pem"
		break
	done
	return 0
}
