package cloudconfig

import (
	"net/netip"
	"strings"

	"boothook/injector/plan"
)

// maxHostname is the kernel's limit in bytes (HOST_NAME_MAX).
const maxHostname = 64

// setHostname plans /etc/hostname and the kernel's name.
func setHostname(b *builder) {
	if b.cfg.Get("preserve_hostname").Truth(false) {
		return
	}
	names, why := b.names()
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
}

// names finds them as cloud-init does: fqdn, then hostname, then what the
// metadata say.
func (b *builder) names() (names, plan.Why) {
	fqdn, hostname := b.cfg.Get("fqdn"), b.cfg.Get("hostname")
	if full := b.str("fqdn", fqdn); full != "" {
		n := names{full: full, from: fqdn}
		n.short, _, _ = strings.Cut(full, ".")
		if h := b.str("hostname", hostname); h != "" {
			n.short, n.from = h, hostname
		}
		return n, n.from.why("fqdn")
	}
	if h := b.str("hostname", hostname); h != "" {
		short, domain, _ := strings.Cut(h, ".")
		if domain != "" && short != "" {
			return names{short, h, hostname}, hostname.why("hostname")
		}
		n := names{short: h, from: hostname}
		if _, domain, _ := strings.Cut(b.Instance.Hostname, "."); domain != "" {
			n.full = h + "." + domain
		}
		return n, hostname.why("hostname")
	}
	n := names{from: &Value{Pos: Pos{Origin: "meta-data"}}}
	if h := b.Instance.Hostname; isAddress(h) {
		// Some clouds give the address for a name; cloud-init's LP 475354.
		n.short = "ip-" + strings.NewReplacer(".", "-", ":", "-").Replace(h)
	} else if h != "" {
		n.short, _, _ = strings.Cut(h, ".")
		n.full = h
	}
	return n, plan.Why{Part: "meta-data", Key: "hostname"}
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
	if s == "" || len(s) > maxHostname || s[0] == '-' || s[0] == '.' {
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
