package nic

import (
	"bytes"
	"net"
	"slices"
	"strings"

	"boothook/netboot/rtnl"

	"golang.org/x/sys/unix"
)

// counts says whether a link is one that is used. It must speak Ethernet and be
// neither loopback nor a bridge, bond or team nor a member of one. Unless it was
// asked for by name, or Virtual is set, it must also be a device: a veth, a
// dummy or a VLAN is none, but the VLANs made here count. A wireless link never
// counts: it has no network before a program joins one.
func counts(a *rtnl.Link, isDevice, wireless bool, o *Options) bool {
	switch {
	case a.Flags&unix.IFF_LOOPBACK != 0, a.Type != unix.ARPHRD_ETHER:
		return false
	case o.AdoptOnly && o.Only == "":
		return true // a link that has no address of its own is not touched
	case a.Master != 0, wireless:
		return false
	case a.Kind == "bridge", a.Kind == "bond", a.Kind == "team":
		return false
	case o.isOurs(a):
		return true
	case o.Only != "":
		return named(a, o.Only)
	}
	return isDevice || o.Virtual
}

// wanted says whether a link counts and is to have an address, or to carry VLANs.
func (m *Manager) wanted(a *rtnl.Link) bool {
	f := m.machine.files
	// The kernel tells the device's name (Linux 5.14 on), or sysfs does.
	isDevice := a.ParentDev != "" || f.inSysfs(a.Name, "device")
	if !counts(a, isDevice, f.inSysfs(a.Name, "phy80211"), &m.opts) {
		return false
	}
	return configFor(m.opts.Configs, a).leases() || m.opts.carries(a)
}

// named says whether s is the link's name, one of its other names, or its
// hardware address in any usual spelling, PXE's BOOTIF=01-… included.
func named(a *rtnl.Link, s string) bool {
	if s == a.Name || slices.Contains(a.AltNames, s) {
		return true
	}
	hw := parseHW(s)
	return hw != nil && (bytes.Equal(hw, a.Addr) || bytes.Equal(hw, a.PermAddr))
}

// parseHW reads an Ethernet address, nil if s is none. PXE's BOOTIF puts the
// hardware type, 01, before it.
func parseHW(s string) net.HardwareAddr {
	if len(s) == len("01-00-00-00-00-00-00") && strings.HasPrefix(s, "01-") {
		s = s[len("01-"):]
	}
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return nil
	}
	return hw
}

// configFor picks the Config for a link: one that names it before one that
// names none; nil if there are Configs and none is for it. Without any Config
// every link does DHCP.
func configFor(configs []Config, a *rtnl.Link) *Config {
	if len(configs) == 0 {
		return &Config{Method: MethodDHCP}
	}
	var general *Config
	for i := range configs {
		c := &configs[i]
		switch {
		case c.Device == "" && general == nil:
			general = c
		case c.Device != "" && named(a, c.Device):
			return c
		}
	}
	return general
}

// leases says whether a link with this Config is to have an address.
func (c *Config) leases() bool { return c != nil && c.Method != MethodOff }

// claims says which link has a Config that only one can have: a static address
// without a device goes to the first link that has a carrier.
type claims map[*Config]int

// take says whether a link may have a Config, and gives it to it if nobody has it.
func (c claims) take(config *Config, index int) bool {
	if config.Method != MethodStatic || config.Device != "" {
		return true
	}
	if owner, taken := c[config]; taken {
		return owner == index
	}
	c[config] = index
	return true
}

// release lets other links have what a link that has disappeared had.
func (c claims) release(index int) {
	for config, owner := range c {
		if owner == index {
			delete(c, config)
		}
	}
}
