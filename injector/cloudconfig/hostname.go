package cloudconfig

import (
	"fmt"
	"net/netip"
	"strings"

	"boothook/injector/plan"
)

// maxHostname is the kernel's limit in bytes (HOST_NAME_MAX), maxFullName that
// of DNS.
const (
	maxHostname = 64
	maxFullName = 253
)

// setHostname plans /etc/hostname and the kernel's name.
func setHostname(b *builder) {
	if b.cfg.Get("preserve_hostname").Truth(false) {
		return
	}
	names, why := b.names()
	if names.bad != nil {
		b.fail(names.from, "%v", names.bad)
		return
	}
	name := names.short
	if name == "" || names.full != "" && b.cfg.Get("prefer_fqdn_over_hostname").Truth(b.prefersFull()) {
		name = names.full
	}
	if name == "" {
		return
	}
	if !validHostname(name) {
		b.fail(names.from, "the hostname is not one: letters, digits, dots and hyphens, at most %d", maxHostname)
		return
	}
	b.step(&plan.Step{Kind: plan.Hostname, Path: "/etc/hostname", Body: []byte(name), Mode: 0o644, Why: why})
}

// names are the machine's name, its fully qualified form, and what said so.
type names struct {
	short, full string
	from        *Value
	// bad says why what the metadata say is no name.
	bad error
}

// names finds them as cloud-init does: fqdn, then hostname, then what the
// metadata say.
func (b *builder) names() (names, plan.Why) {
	fqdn, hostname := b.cfg.Get("fqdn"), b.cfg.Get("hostname")
	if full := b.str("fqdn", fqdn); full != "" {
		n := said(full, fqdn)
		if h := b.str("hostname", hostname); h != "" {
			n.short, n.from = h, hostname
		}
		return n, n.from.why("fqdn")
	}
	if h := b.str("hostname", hostname); h != "" {
		n := said(h, hostname)
		if !strings.Contains(h, ".") {
			n.full = ""
			if _, full, _ := HostNames(b.Instance.Hostname); strings.Contains(full, ".") {
				n.full = h + full[strings.IndexByte(full, '.'):]
			}
		}
		return n, hostname.why("hostname")
	}
	n := names{from: &Value{Pos: Pos{Origin: "meta-data"}}}
	if h := b.Instance.Hostname; h != "" {
		n.short, n.full, n.bad = HostNames(h)
	}
	return n, plan.Why{Part: "meta-data", Key: "hostname"}
}

// said is what the configuration says the name is.
func said(name string, from *Value) names {
	n := names{from: from}
	if n.short, n.full, n.bad = HostNames(name); isAddress(name) {
		n.bad = fmt.Errorf("%q is an address and no hostname", name)
	}
	return n
}

// HostNames gives the short and the full name that a source's name for the
// machine stands for. An address gives a name made of it and no full one, as
// with some clouds (cloud-init's LP 475354). What is no name as a whole gives
// none: its part before the first dot could be anything.
func HostNames(name string) (short, full string, err error) {
	if isAddress(name) {
		return "ip-" + strings.NewReplacer(".", "-", ":", "-").Replace(name), "", nil
	}
	short, _, _ = strings.Cut(name, ".")
	if len(name) > maxFullName || !validHostname(short) || !isName(name) || strings.Trim(name, "0123456789.") == "" {
		return "", "", fmt.Errorf("%q is not a hostname: letters, digits, dots and hyphens, at most %d before the first dot", name[:min(len(name), maxFullName)], maxHostname)
	}
	return short, name, nil
}

// prefersFull is the default of the Red Hat family.
func (b *builder) prefersFull() bool {
	for _, id := range strings.Fields(b.Facts.OSRelease["ID"] + " " + b.Facts.OSRelease["ID_LIKE"]) {
		if id == "rhel" || id == "fedora" {
			return true
		}
	}
	return false
}

func validHostname(s string) bool {
	return len(s) <= maxHostname && isName(s)
}

func isName(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '.' {
		return false
	}
	for _, c := range s {
		switch {
		case c == '-' || c == '.' || c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return true
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
