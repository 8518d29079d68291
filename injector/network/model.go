package network

import (
	"fmt"
	"net/netip"
	"strings"

	"boothook/injector/cloudconfig"
	"boothook/netboot/instance"
)

const (
	// maxLinks bounds the links of one document, maxItems the addresses,
	// routes or name servers of one link.
	maxLinks = 256
	maxItems = 256
	// maxName is the longest name of an interface, in bytes
	// (include/uapi/linux/if.h, IFNAMSIZ less its end).
	maxName = 15
)

// What a link is.
const (
	ethernet = "ethernets"
	bond     = "bonds"
	bridge   = "bridges"
	vlan     = "vlans"
)

// A link is one interface as the renderers see it, whichever version of the
// document it came from.
type link struct {
	kind string
	// id is the document's name of the link.
	id string
	// mac and names say which hardware is meant, by its permanent address
	// or by a pattern of names; empty for "the interface called id".
	mac, names string
	// rename is the name that the hardware is to get.
	rename string
	// address is the MAC address that the link is to have.
	address      string
	mtu          int64
	dhcp4, dhcp6 bool
	// ra is nil where nothing is said of router advertisements.
	ra        *bool
	optional  bool
	addresses []netip.Prefix
	routes    []route
	dns       []netip.Addr
	search    []string
	// tag and parent are a vlan's, members and params a bond's or bridge's.
	tag     int64
	parent  string
	members []string
	params  []param
}

// device is the name under which the interface will be known.
func (l *link) device() string {
	if l.rename != "" {
		return l.rename
	}
	return l.id
}

// A route is one route of a link.
type route struct {
	to     netip.Prefix
	via    netip.Addr // the zero Addr: directly on the link
	metric int64      // 0: the daemon's own
	onLink bool
}

func (r route) isDefault() bool { return r.to.Bits() == 0 }

// A param is a setting of a bond or bridge, by netplan's name.
type param struct{ name, value string }

// A reader makes links of a document.
type reader struct {
	links    []*link
	problems []instance.Problem
}

func (r *reader) problem(at *cloudconfig.Value, format string, args ...any) {
	r.problems = append(r.problems, instance.Problem{
		Origin: at.Pos.Origin, Line: at.Pos.Line, Message: fmt.Sprintf(format, args...),
	})
}

// add takes a link in whose names can be the names of files and of interfaces.
func (r *reader) add(l *link, at *cloudconfig.Value) {
	for _, name := range append([]string{l.id, l.rename, l.parent}, l.members...) {
		if name != "" && !goodName(name) {
			r.problem(at, "%q cannot be the name of an interface", name)
			return
		}
	}
	switch {
	case l.id == "":
		r.problem(at, "a link without a name")
	case len(l.device()) > maxName && (l.mac == "" && l.names == "" || l.rename != ""):
		r.problem(at, "%q is too long for an interface: at most %d bytes", l.device(), maxName)
	case len(r.links) == maxLinks:
		r.problem(at, "more than %d links; the rest is left out", maxLinks)
	case len(r.links) < maxLinks:
		r.links = append(r.links, l)
	}
}

// goodName is true of what is safe in a path and in every file written here.
func goodName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// hardware reads a MAC address, lower case; empty after a problem.
func (r *reader) hardware(v *cloudconfig.Value) string {
	if v.Missing() {
		return ""
	}
	// As it was written: one of digits alone is a number in base sixty.
	s := strings.ToLower(v.Text)
	ok := len(s) == 17
	for i := 0; ok && i < len(s); i++ {
		if i%3 == 2 {
			ok = s[i] == ':'
		} else {
			ok = s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		}
	}
	if !ok {
		r.problem(v, "not a MAC address")
		return ""
	}
	return s
}

// text reads words that go into configuration: one line of printable letters.
func (r *reader) text(v *cloudconfig.Value) string {
	s := v.Scalar()
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte("\"'`\\;#=", c) >= 0 {
			r.problem(v, "%q cannot stand here", s)
			return ""
		}
	}
	return s
}

func (r *reader) number(v *cloudconfig.Value, most int64) int64 {
	switch {
	case v.Missing():
		return 0
	case v.Kind != cloudconfig.Int || v.Int < 0 || v.Int > most:
		r.problem(v, "must be a number from 0 to %d", most)
		return 0
	}
	return v.Int
}

// items gives the elements of a list, or of a text with commas or blanks
// between them, at most maxItems.
func (r *reader) items(v *cloudconfig.Value) []*cloudconfig.Value {
	items := v.Items()
	if v.Kind == cloudconfig.String {
		items = nil
		for _, word := range strings.FieldsFunc(v.Text, func(c rune) bool { return c == ' ' || c == ',' }) {
			items = append(items, &cloudconfig.Value{Kind: cloudconfig.String, Text: word, Pos: v.Pos})
		}
	}
	if len(items) > maxItems {
		r.problem(v, "more than %d; the rest is left out", maxItems)
		items = items[:maxItems]
	}
	return items
}

// names reads a list of names.
func (r *reader) names(v *cloudconfig.Value) []string {
	var out []string
	for _, item := range r.items(v) {
		if s := r.text(item); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) servers(v *cloudconfig.Value) []netip.Addr {
	var out []netip.Addr
	for _, item := range r.items(v) {
		if a := r.addr(item); a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// addr reads an address; the zero Addr for none, or after a problem.
func (r *reader) addr(v *cloudconfig.Value) netip.Addr {
	if v.Missing() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(v.Scalar())
	if err != nil || a.Zone() != "" {
		r.problem(v, "not an IP address")
		return netip.Addr{}
	}
	return a
}

// prefix reads ADDRESS/BITS, or an address with its netmask beside it; without
// either it is the address alone.
func (r *reader) prefix(v, mask *cloudconfig.Value) (netip.Prefix, bool) {
	text := v.Scalar()
	if text == "default" {
		return netip.Prefix{}, false
	}
	if strings.Contains(text, "/") {
		if p, err := netip.ParsePrefix(text); err == nil {
			return p, true
		}
		r.problem(v, "not an address with a prefix")
		return netip.Prefix{}, false
	}
	a := r.addr(v)
	if !a.IsValid() {
		return netip.Prefix{}, false
	}
	bits := a.BitLen()
	if !mask.Missing() {
		if bits = maskBits(mask, a); bits < 0 {
			r.problem(mask, "not a netmask")
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(a, bits), true
}

// maskBits reads a netmask, dotted or as a number of bits; -1 for neither.
func maskBits(v *cloudconfig.Value, a netip.Addr) int {
	if v.Kind == cloudconfig.Int {
		if v.Int < 0 || v.Int > int64(a.BitLen()) {
			return -1
		}
		return int(v.Int)
	}
	m, err := netip.ParseAddr(v.Scalar())
	if err != nil || m.BitLen() != a.BitLen() {
		return -1
	}
	bits, ended := 0, false
	for _, b := range m.AsSlice() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return -1
			}
			if ended = !one; one {
				bits++
			}
		}
	}
	return bits
}

// gateway adds a default route.
func (l *link) gateway(via netip.Addr) {
	if via.IsValid() {
		l.routes = append(l.routes, route{to: anywhere(via), via: via})
	}
}

// anywhere is the default destination of the address's family.
func anywhere(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
