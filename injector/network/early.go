package network

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"

	"boothook/injector/cloudconfig"
	"boothook/injector/userdata"
)

// Word decodes the value of network-config= on the kernel's command line:
// base64 of a document, which may be gzip.
func Word(value string) ([]byte, error) {
	body, err := base64.StdEncoding.DecodeString(value)
	if err == nil {
		body, err = userdata.Plain(body, userdata.DefaultLimits())
	}
	if err != nil {
		return nil, fmt.Errorf("network-config= cannot be decoded: %w", err)
	}
	return body, nil
}

// An Early is what a document says of one link, as far as the initramfs can
// make use of it before the root is there.
type Early struct {
	// Device is the link's hardware address, or the name it has already.
	Device string
	// Prefix is its first address, of IPv4 if there is one, and what goes
	// with that family; not valid: it has none of its own.
	Prefix  netip.Prefix
	Gateway netip.Addr
	DNS     []netip.Addr
	MTU     int // bytes; 0: not said
	// Over and Tag are a VLAN's: the other link's Device, and 1 to 4094.
	Over string
	Tag  uint16
}

// ForNow reads ethernets, and VLANs over them, of a document that Read read.
// What is wrong with it is Plan's to say.
func ForNow(top *cloudconfig.Value) []Early {
	r := parse(top)
	var out []Early
	for _, l := range r.links {
		e := l.early()
		switch below := r.links.byID(l.said.get("link")); {
		case l.loopback, r.links.master(l) != nil:
			continue
		case l.kind == ethernet:
		case l.kind == vlan && below != nil && below.kind == ethernet && l.said.get("id") != "0":
			tag, _ := strconv.ParseUint(l.said.get("id"), 10, 16)
			e.Over, e.Tag = below.found(), uint16(tag)
		default:
			continue
		}
		if e.Device != "" {
			out = append(out, e)
		}
	}
	return out
}

// found is by what the hardware is found before anything has been renamed;
// empty where only a driver says it.
func (l *link) found() string {
	for _, key := range []string{"match.macaddress", "match.name"} {
		if s := l.said.get(key); s != "" {
			return s
		}
	}
	if l.said.under("match.") {
		return ""
	}
	return l.id
}

func (l *link) early() Early {
	mtu, _ := strconv.Atoi(l.said.get("mtu"))
	e := Early{Device: l.found(), DNS: l.dns, MTU: mtu}
	for _, a := range l.addresses {
		if !e.Prefix.IsValid() || a.Addr().Is4() && !e.Prefix.Addr().Is4() {
			e.Prefix = a.Prefix
		}
	}
	for _, p := range l.routes {
		if p.isDefault() && p.via.IsValid() && p.via.Is4() == e.Prefix.Addr().Is4() && !e.Gateway.IsValid() && !p.said.has("routes.table") {
			e.Gateway = p.via
		}
	}
	return e
}
