# What of a system's settings goes into its initrds, for the hook of
# initramfs-tools (sh) and the module of dracut (bash) to source.

# boothook_settings FROM TO: from a system's root ("" for /) to an initrd's.
boothook_settings() {
	mkdir -p "$2/etc/boothook" || return
	# Links become what they point to, for that is not in the initrd.
	if [ -d "$1/etc/boothook" ] && ! cp -aL "$1/etc/boothook/." "$2/etc/boothook/"; then
		echo "W: boothook: not all of /etc/boothook is in the initrd" >&2
	fi
	# All that lies there belongs to the agent, but for two files that are
	# read here, and what editors and packages leave beside a changed file.
	(cd "$2/etc/boothook" && rm -f modules cmdline known ./*~ ./*.dpkg-* ./*.rpmnew ./*.rpmsave) || return
	# Kernel words, without the comments between them.
	if [ -e "$1/etc/boothook/cmdline" ]; then
		sed '/^[[:space:]]*#/d' "$1/etc/boothook/cmdline" | tr -s '[:space:]' ' ' >"$2/etc/boothook/cmdline" || return
	fi
	# The last boot's word that this machine has nothing more to ask.
	if [ -e "$1/var/lib/boothook/known" ]; then
		cp "$1/var/lib/boothook/known" "$2/etc/boothook/known" || return
	fi
	# Certificates to trust before the root is there: the system's, unless
	# others are in /etc/boothook/ca.pem.
	[ -e "$2/etc/boothook/ca.pem" ] && return
	for boothook_bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
		if [ -e "$1$boothook_bundle" ]; then
			cp -L "$1$boothook_bundle" "$2/etc/boothook/ca.pem"
			return
		fi
	done
}

# boothook_modules FROM: the kernel modules that each initrd is to have.
boothook_modules() {
	[ ! -e "$1/etc/boothook/modules" ] || sed 's/#.*//' "$1/etc/boothook/modules"
}
