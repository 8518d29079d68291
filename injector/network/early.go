package network

import (
	"encoding/base64"
	"fmt"
	"net/netip"

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
	r := &reader{}
	switch doc := inner(top); {
	case Disabled(doc):
	case doc.Get("version").Int == 2:
		r.version2(doc)
	case doc.Get("version").Int == 1:
		r.version1(doc)
	}
	hardware := map[string]string{}
	for _, l := range r.links {
		if l.kind == ethernet {
			hardware[l.id] = l.found()
		}
	}
	var out []Early
	for _, l := range r.links {
		e := l.early()
		switch {
		case l.kind == ethernet:
		case l.kind == vlan && hardware[l.parent] != "" && l.tag > 0 && len(l.id) <= maxName:
			e.Over, e.Tag = hardware[l.parent], uint16(l.tag)
		default:
			continue
		}
		out = append(out, e)
	}
	return out
}

// found is by what the hardware is found before anything has been renamed.
func (l *link) found() string {
	switch {
	case l.mac != "":
		return l.mac
	case l.names != "":
		return l.names
	}
	return l.id
}

func (l *link) early() Early {
	e := Early{Device: l.found(), DNS: l.dns, MTU: int(l.mtu)}
	for _, a := range l.addresses {
		if !e.Prefix.IsValid() || a.Addr().Is4() && !e.Prefix.Addr().Is4() {
			e.Prefix = a
		}
	}
	for _, r := range l.routes {
		if r.isDefault() && r.via.IsValid() && r.via.Is4() == e.Prefix.Addr().Is4() && !e.Gateway.IsValid() {
			e.Gateway = r.via
		}
	}
	return e
}
