package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// etcHosts plans /etc/hosts: true and "template" write all of it, "localhost"
// makes sure that the machine's own name resolves.
func etcHosts(b *builder) {
	v := b.cfg.Get("manage_etc_hosts")
	mode := strings.ToLower(v.Scalar())
	whole := v.Truth(false) || mode == "template"
	if !whole && mode != "localhost" {
		return
	}
	n, _ := b.names()
	if n.short == "" && n.full == "" {
		b.warn(v, "manage_etc_hosts: nothing says what this machine is called")
		return
	}
	if n.full == "" {
		n.full = n.short + ".localdomain" // cloud-init's own word for none
	}
	own := "127.0.1.1 " + n.full + " " + n.short
	why := v.why("manage_etc_hosts")
	if !validHostname(n.full) || !validHostname(n.short) {
		b.fail(v, "manage_etc_hosts: the hostname is not one")
		return
	}
	body := "# Written by boothook, for manage_etc_hosts of the cloud-config.\n" + own + "\n127.0.0.1 localhost\n\n" +
		"::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
	if !whole {
		// The name has to be looked up before the network is there, so it
		// is added; an older line for another name does no harm.
		b.step(&plan.Step{Kind: plan.File, Path: "/etc/hosts", Body: []byte(own + "\n"), Append: true, Mode: 0o644, Why: why})
		return
	}
	b.step(&plan.Step{Kind: plan.File, Path: "/etc/hosts", Body: []byte(body), Mode: 0o644, Why: why})
}
