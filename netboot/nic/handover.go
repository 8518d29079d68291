package nic

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"net/netip"
	"strings"
)

// A File is to be written below /run, which moves along into the root.
type File struct {
	Path string // relative to /run
	Mode fs.FileMode
	Data []byte
}

// Handover renders what the daemons of a root that lives on the network read
// to take leases over instead of starting anew: klibc's /run/net-DEVICE.conf
// (ifupdown, cloud-init), a networkd unit and a NetworkManager profile. The
// latter two rank behind everything that the root itself configures: they
// count only for links of which it says nothing. Clients are told to identify
// by hardware address, as we did, for the sake of the same address. Adopted and
// link-local leases have no file.
func Handover(leases []Lease) []File {
	var files []File
	seen := map[int]bool{}
	for _, l := range leases {
		if seen[l.Index] || l.Adopted || l.By == ByLinkLocal {
			continue
		}
		seen[l.Index] = true
		var v4, v6 *Lease
		for i := range leases {
			switch o := &leases[i]; {
			case o.Index != l.Index || o.Adopted || o.By == ByLinkLocal:
			case o.Prefix.Addr().Is4():
				v4 = o
			default:
				v6 = o
			}
		}
		if v4 != nil {
			files = append(files, File{"net-" + l.Name + ".conf", 0o644, klibcFile(v4)})
		}
		files = append(files,
			File{"systemd/network/90-boothook-" + l.Name + ".network", 0o644, networkdFile(&l, v4, v6)},
			File{"NetworkManager/system-connections/boothook-" + l.Name + ".nmconnection", 0o600, nmFile(&l, v4, v6)})
	}
	return files
}

// klibcFile writes what klibc's ipconfig writes (usr/kinit/ipconfig/main.c).
func klibcFile(l *Lease) []byte {
	var b strings.Builder
	set := func(key, value string) { fmt.Fprintf(&b, "%s='%s'\n", key, value) }
	orZero := func(a netip.Addr) string {
		if !a.IsValid() {
			return "0.0.0.0"
		}
		return a.String()
	}
	proto := "dhcp"
	if l.By == ByStatic {
		proto = "none"
	}
	mask := net.CIDRMask(l.Prefix.Bits(), l.Prefix.Addr().BitLen())
	var dns [2]netip.Addr
	copy(dns[:], l.DNS)
	set("DEVICE", l.Name)
	set("PROTO", proto)
	set("IPV4ADDR", l.Prefix.Addr().String())
	set("IPV4BROADCAST", lastAddr(l.Prefix).String())
	set("IPV4NETMASK", net.IP(mask).String())
	set("IPV4GATEWAY", orZero(l.Gateway))
	set("IPV4DNS0", orZero(dns[0]))
	set("IPV4DNS1", orZero(dns[1]))
	set("HOSTNAME", l.Hostname)
	set("DNSDOMAIN", strings.Join(l.Search[:min(len(l.Search), 1)], ""))
	set("DOMAINSEARCH", strings.Join(l.Search, " "))
	set("ROOTSERVER", orZero(l.ServerID))
	set("DHCPLEASETIME", fmt.Sprint(int(l.Lifetime.Seconds())))
	return []byte(b.String())
}

// networkdFile writes a unit as systemd.network(5) describes it.
func networkdFile(l, v4, v6 *Lease) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "[Match]\nMACAddress=%s\nType=ether\n\n[Network]\nKeepConfiguration=yes\n", l.HW)
	dhcp4, dhcp6 := v4 != nil && v4.By == ByDHCP4, v6 != nil && v6.By == ByDHCP6
	switch {
	case dhcp4 && dhcp6:
		b.WriteString("DHCP=yes\n")
	case dhcp4:
		b.WriteString("DHCP=ipv4\n")
	case dhcp6:
		b.WriteString("DHCP=ipv6\n")
	}
	for _, s := range []*Lease{v4, v6} {
		if s == nil || s.By != ByStatic {
			continue
		}
		fmt.Fprintf(&b, "Address=%s\n", s.Prefix)
		for _, a := range s.DNS {
			fmt.Fprintf(&b, "DNS=%s\n", a)
		}
		if s.Gateway.IsValid() {
			fmt.Fprintf(&b, "\n[Route]\nGateway=%s\nGatewayOnLink=yes\n", s.Gateway)
		}
	}
	if dhcp4 {
		b.WriteString("\n[DHCPv4]\nClientIdentifier=mac\n")
	}
	return []byte(b.String())
}

// nmFile writes a profile as nm-settings-keyfile(5) describes it.
func nmFile(l, v4, v6 *Lease) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "[connection]\nid=boothook-%s\nuuid=%s\ntype=ethernet\nautoconnect-priority=-100\n\n[ethernet]\nmac-address=%s\n",
		l.Name, nmUUID(l.HW), l.HW)
	nmFamily(&b, "ipv4", v4, "disabled")
	if v4 != nil && v4.By == ByDHCP4 {
		b.WriteString("dhcp-client-id=mac\n")
	}
	nmFamily(&b, "ipv6", v6, "auto")
	return []byte(b.String())
}

// nmFamily writes one family's section; without is its method when there is no lease.
func nmFamily(b *strings.Builder, family string, l *Lease, without string) {
	fmt.Fprintf(b, "\n[%s]\n", family)
	switch {
	case l == nil:
		fmt.Fprintf(b, "method=%s\n", without)
	case l.By == ByStatic:
		fmt.Fprintf(b, "method=manual\naddress1=%s", l.Prefix)
		if l.Gateway.IsValid() {
			fmt.Fprintf(b, ",%s", l.Gateway)
		}
		b.WriteByte('\n')
		if len(l.DNS) > 0 {
			b.WriteString("dns=")
			for _, a := range l.DNS {
				b.WriteString(a.String() + ";")
			}
			b.WriteByte('\n')
		}
	default:
		b.WriteString("method=auto\n")
	}
}

// nmUUID makes the same identifier for the same NIC on every boot (RFC 9562,
// version 8: of the maker's own choice).
func nmUUID(hw net.HardwareAddr) string {
	h := fnv.New128a()
	h.Write([]byte("boothook"))
	h.Write(hw)
	u := h.Sum(nil)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
