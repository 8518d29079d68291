package nic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// How a Config says that a link gets its address.
const (
	MethodDHCP   = "dhcp"
	MethodStatic = "static"
	MethodOff    = "off"
)

// A Config is what boothook.ip= or a source's network configuration says of
// one link. The zero Device stands for any: a static address then goes to the
// first link that has a carrier, DHCP to all.
type Config struct {
	Device   string // a name or a hardware address
	Method   string // MethodDHCP, MethodStatic or MethodOff
	Prefix   netip.Prefix
	Peer     netip.Addr // the other end of a point-to-point link
	Gateway  netip.Addr
	Hostname string
	DNS      []netip.Addr
	MTU      int // bytes; 0: not said
}

// ErrSyntax marks an ip= value that says nothing we understand.
var ErrSyntax = errors.New("bad ip= value")

// maxIP bounds an ip= value in bytes; the kernel's command line has at most 4096.
const maxIP = 1024

// ParseIP reads a value in the syntax that klibc's ipconfig
// (Documentation/admin-guide/nfs/nfsroot.rst) and dracut (dracut.cmdline(7)) share:
//
//	dhcp | on | any | off | none
//	DEVICE:dhcp[:[MTU][:MAC]]
//	CLIENT:[SERVER]:[GATEWAY]:[NETMASK]:[HOSTNAME]:[DEVICE]:[METHOD][:[DNS]:[DNS]:[NTP]]
//	CLIENT:[PEER]:[GATEWAY]:[NETMASK]:[HOSTNAME]:[DEVICE]:METHOD[:[MTU][:MAC]]
//
// NETMASK is a mask or a prefix length; IPv6 addresses stand in brackets.
// Errors wrap ErrSyntax.
func ParseIP(s string) (Config, error) {
	if len(s) > maxIP {
		return Config{}, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, maxIP)
	}
	var c Config
	if err := c.parse(s); err != nil {
		return Config{}, fmt.Errorf("%w %q: %w", ErrSyntax, s, err)
	}
	return c, nil
}

func (c *Config) parse(s string) error {
	if s == "" {
		return errors.New("empty")
	}
	f, ok := splitIP(s)
	if !ok {
		return errors.New("bracket without its pair")
	}
	if len(f) == 1 {
		if c.Method = method(f[0]); c.Method != "" {
			return nil
		}
	}
	if len(f) >= 2 && len(f) <= 4 && f[0] != "" && method(f[1]) != "" && !isAddr(f[0]) {
		return c.deviceForm(f)
	}
	if len(f) > 10 {
		return errors.New("too many fields")
	}
	return c.longForm(append(f, make([]string, 10-len(f))...))
}

// splitIP splits at the colons outside brackets, and takes the brackets off.
func splitIP(s string) (fields []string, ok bool) {
	for {
		if rest, found := strings.CutPrefix(s, "["); found {
			inner, after, closed := strings.Cut(rest, "]")
			if !closed || after != "" && after[0] != ':' {
				return nil, false
			}
			fields = append(fields, inner)
			if after == "" {
				return fields, true
			}
			s = after[1:]
			continue
		}
		field, rest, more := strings.Cut(s, ":")
		fields = append(fields, field)
		if !more {
			return fields, true
		}
		s = rest
	}
}

// method translates the words of ip=; "" for a word that is none.
func method(s string) string {
	switch s {
	case "dhcp", "on", "any", "both", "single-dhcp":
		return MethodDHCP
	case "off", "none", "static":
		return MethodOff
	}
	return ""
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// deviceForm reads DEVICE:METHOD[:[MTU][:MAC]]; the MAC would change the
// link's, which boothook never does.
func (c *Config) deviceForm(f []string) error {
	c.Device, c.Method = f[0], method(f[1])
	if len(f) > 2 && f[2] != "" {
		mtu, err := strconv.Atoi(f[2])
		if err != nil || mtu < minMTU || mtu > 1<<16-1 {
			return errors.New("mtu")
		}
		c.MTU = mtu
	}
	if len(f) > 3 && f[3] != "" {
		return errors.New("setting a hardware address is not supported")
	}
	return nil
}

// longForm reads the ten fields of ipconfig.
func (c *Config) longForm(f []string) error {
	c.Device, c.Method = f[5], method(f[6])
	if c.Method == "" && f[6] != "" {
		return errors.New("method " + strconv.Quote(f[6]))
	}
	if c.Hostname = hostName(f[4]); c.Hostname != f[4] {
		return errors.New("hostname")
	}
	var err error
	if c.Gateway, err = optionalAddr(f[2]); err != nil {
		return errors.New("gateway")
	}
	if err := c.servers(f[7], f[8]); err != nil {
		return err
	}
	if f[0] == "" { // no address of its own: what is asked for is DHCP
		if c.Method != MethodOff {
			c.Method = MethodDHCP
		}
		return nil
	}
	addr, err := netip.ParseAddr(f[0])
	if err != nil || !isOtherHost(addr, netip.Prefix{}) || addr.Zone() != "" {
		return errors.New("address")
	}
	bits, err := maskBits(f[3], addr)
	if err != nil {
		return err
	}
	c.Method, c.Prefix = MethodStatic, netip.PrefixFrom(addr, bits)
	if f[3] == "" || bits == addr.BitLen() {
		// dracut's point-to-point form; klibc's server field otherwise.
		if c.Peer, err = optionalAddr(f[1]); err != nil {
			return errors.New("peer")
		}
	}
	for _, other := range []netip.Addr{c.Gateway, c.Peer} {
		if other.IsValid() && !isOtherHost(other, c.Prefix) {
			return errors.New(other.String() + " is not the address of another host")
		}
	}
	return nil
}

// servers reads the two fields after the method: name servers, or dracut's MTU.
func (c *Config) servers(first, second string) error {
	if n, err := strconv.Atoi(first); err == nil {
		if n < minMTU || n > 1<<16-1 {
			return errors.New("mtu")
		}
		c.MTU = n
		if second != "" {
			return errors.New("setting a hardware address is not supported")
		}
		return nil
	}
	for _, s := range []string{first, second} {
		a, err := optionalAddr(s)
		if err != nil {
			return errors.New("name server")
		}
		if a.IsValid() {
			c.DNS = append(c.DNS, a)
		}
	}
	return nil
}

// optionalAddr reads an address; empty and klibc's 0.0.0.0 are none.
func optionalAddr(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, err
	}
	if a.IsUnspecified() {
		return netip.Addr{}, nil
	}
	if !isUnicast(a) || a.Zone() != "" {
		return netip.Addr{}, ErrSyntax
	}
	return a, nil
}

// maskBits reads a netmask or a prefix length. Without one it is the class of
// an IPv4 address, as in klibc, and 64 for IPv6.
func maskBits(s string, addr netip.Addr) (int, error) {
	if s == "" {
		if addr.Is4() {
			bits, _ := net.IP(addr.AsSlice()).DefaultMask().Size()
			if bits == 0 { // class D and E have none
				bits = 32
			}
			return bits, nil
		}
		return 64, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > addr.BitLen() {
			return 0, errors.New("prefix length")
		}
		return n, nil
	}
	m, err := netip.ParseAddr(s)
	if err != nil || !m.Is4() || !addr.Is4() {
		return 0, errors.New("netmask")
	}
	b := m.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	bits := 0
	for ; v&(1<<31) != 0; v <<= 1 {
		bits++
	}
	if v != 0 || bits == 0 {
		return 0, errors.New("netmask")
	}
	return bits, nil
}

// lease is what a static Config amounts to, without what cannot be used, and
// what that is. Name servers may be this machine: a root that keeps the network
// can have a resolver of its own.
func (c *Config) lease() (l Lease, ignored []string) {
	l = Lease{By: ByStatic, Prefix: c.Prefix, Hostname: c.Hostname, MTU: c.MTU}
	f := filter{own: c.Prefix}
	for _, a := range c.DNS {
		if isUnicast(a) {
			l.DNS = append(l.DNS, a)
		} else {
			f.ignore("name server " + a.String() + ": not the address of a host")
		}
	}
	var routes []Route
	if c.Peer.IsValid() {
		routes = append(routes, Route{Dst: netip.PrefixFrom(c.Peer, c.Peer.BitLen())})
	}
	if c.Gateway.IsValid() {
		routes = append(routes, Route{Dst: defaultDst(c.Gateway), Via: c.Gateway})
	}
	l.Routes = f.routes(routes)
	l.Gateway = defaultGateway(l.Routes)
	return l, f.ignored
}

// over puts what the Config says beside the address over what a server said.
func (c *Config) over(l Lease) Lease {
	if len(c.DNS) > 0 {
		l.DNS = c.DNS
	}
	if c.Hostname != "" {
		l.Hostname = c.Hostname
	}
	if c.MTU != 0 {
		l.MTU = c.MTU
	}
	return l
}
