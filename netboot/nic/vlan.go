package nic

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// maxTag is the highest tag of a VLAN (IEEE 802.1Q).
const maxTag = 4094

// A VLAN is a link that is to be made: the frames of another link that have a tag.
type VLAN struct {
	Name string // at most 15 bytes, as the kernel has it
	Over string // the other link, by name or hardware address
	Tag  uint16
}

// ParseVLAN reads NAME:LINK, the value of dracut's vlan= (dracut.cmdline(7)).
// The digits that NAME ends in are the tag: vlan5, vlan0005, eth0.5, eth0.0005.
// Errors wrap ErrSyntax.
func ParseVLAN(s string) (VLAN, error) {
	name, over, _ := strings.Cut(s, ":")
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	tag, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || tag == 0 || tag > maxTag || over == "" || name == digits || len(name) >= unix.IFNAMSIZ || strings.Contains(name, "/") {
		return VLAN{}, fmt.Errorf("%w: vlan=%q", ErrSyntax, s)
	}
	return VLAN{name, over, uint16(tag)}, nil
}

// impliedVLANs adds the VLANs that ip= only names, as eth0.5.
func (o *Options) impliedVLANs() {
	o.VLANs = slices.Clone(o.VLANs)
	for _, c := range o.Configs {
		over, _, dotted := strings.Cut(c.Device, ".")
		v, err := ParseVLAN(c.Device + ":" + over)
		if dotted && err == nil && !slices.ContainsFunc(o.VLANs, func(known VLAN) bool { return known.Name == v.Name }) {
			o.VLANs = append(o.VLANs, v)
		}
	}
}

// WantsVLANs says that VLANs are to be made, for which the kernel needs a module.
func (o Options) WantsVLANs() bool {
	o.impliedVLANs()
	return len(o.VLANs) > 0
}

// carries says that VLANs are to be made of the link's frames.
func (o *Options) carries(a *rtnl.Link) bool {
	return slices.ContainsFunc(o.VLANs, func(v VLAN) bool { return named(a, v.Over) })
}

// isOurs says that the link is one of the VLANs asked for.
func (o *Options) isOurs(a *rtnl.Link) bool {
	return a.Kind == "vlan" && slices.ContainsFunc(o.VLANs, func(v VLAN) bool { return v.Name == a.Name })
}

// makeVLANs makes those of a link, which is up. The kernel announces them like
// links that were plugged in.
func (m *Manager) makeVLANs(l *link) {
	attrs, _ := l.now()
	for _, v := range m.opts.VLANs {
		if !named(attrs, v.Over) {
			continue
		}
		if err := m.machine.netlink.AddVLAN(l.index, v.Name, v.Tag); err != nil {
			m.logf(l, "make VLAN %s: %v", v.Name, err)
			continue
		}
		l.before.made = append(l.before.made, v.Name)
	}
}

// deleteVLANs takes away those that makeVLANs made over a link.
func (m *Manager) deleteVLANs(over int, names []string) error {
	if len(names) == 0 {
		return nil
	}
	links, err := m.machine.netlink.Links()
	errs := []error{err}
	for _, a := range links {
		if a.Kind == "vlan" && a.Lower == over && slices.Contains(names, a.Name) {
			errs = append(errs, m.machine.netlink.DeleteLink(a.Index))
		}
	}
	return errors.Join(errs...)
}
