package network

import (
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// keyfiles writes a connection for each link in NetworkManager's keyfile
// format (nm-settings-keyfile(5)). It ignores files that others can read.
func keyfiles(links []*link) []plan.Step {
	var steps []plan.Step
	for _, l := range links {
		t := &text{}
		t.keyfile(links, l)
		steps = append(steps, t.step("/etc/NetworkManager/system-connections/cloud-init-"+l.id+".nmconnection", 0o600))
	}
	return steps
}

func (t *text) keyfile(links []*link, l *link) {
	t.line(heading, "[connection]\nid=cloud-init ", l.id, "\ntype=", strings.TrimSuffix(l.kind, "s"))
	if l.kind != ethernet || l.mac == "" && l.names == "" {
		t.line("interface-name=", l.device())
	}
	// Above the connection that NetworkManager makes up for a bare device.
	t.line("autoconnect-priority=120")
	if m, ok := master(links, l); ok {
		t.line("master=", m.device(), "\nslave-type=", strings.TrimSuffix(m.kind, "s"))
	}
	if l.names != "" {
		t.line("\n[match]\ninterface-name=", l.names, ";")
	}
	t.line("\n[ethernet]")
	t.set("mac-address=", l.mac)
	t.set("cloned-mac-address=", l.address)
	t.number("mtu=", l.mtu)
	switch l.kind {
	case vlan:
		t.line("\n[vlan]\nid=", strconv.FormatInt(l.tag, 10), "\nparent=", deviceOf(links, l.parent))
	case bond, bridge:
		t.line("\n[", strings.TrimSuffix(l.kind, "s"), "]")
	}
	for _, p := range l.params {
		t.line(p.known(l.kind).keyfile, "=", p.value)
	}
	method6 := "auto"
	switch {
	case l.dhcp6 && l.ra != nil && !*l.ra:
		method6 = "dhcp"
	case !l.dhcp6 && has(l.addresses, 6):
		method6 = "manual"
	case !l.dhcp6 && (l.ra == nil || !*l.ra):
		method6 = "link-local"
	}
	method4 := "disabled"
	if l.dhcp4 {
		method4 = "auto"
	} else if has(l.addresses, 4) {
		method4 = "manual"
	}
	t.family(l, 4, method4)
	t.family(l, 6, method6)
}

func (t *text) family(l *link, family int, method string) {
	t.line("\n[ipv", strconv.Itoa(family), "]\nmethod=", method)
	n := 0
	for _, a := range l.addresses {
		if a.Addr().Is4() == (family == 4) {
			n++
			t.line("address", strconv.Itoa(n), "=", a.String())
		}
	}
	n = 0
	for _, r := range l.routes {
		if r.to.Addr().Is4() != (family == 4) {
			continue
		}
		n++
		s := "route" + strconv.Itoa(n)
		value := r.to.String() + ","
		if r.via.IsValid() {
			value += r.via.String()
		}
		if r.metric != 0 {
			value += "," + strconv.FormatInt(r.metric, 10)
		}
		t.line(s, "=", strings.TrimSuffix(value, ","))
		if r.onLink {
			t.line(s, "_options=onlink=true")
		}
	}
	t.set("dns=", strings.Join(addrs(l.dns, family), ";"))
	t.set("dns-search=", strings.Join(l.search, ";"))
}
