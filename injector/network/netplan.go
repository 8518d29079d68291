package network

import (
	"strconv"
	"strings"

	"boothook/injector/plan"
)

// netplanFile is where cloud-init puts it; netplan lets a file with a higher
// name override it. Only root may read it, since it can hold secrets of wifis.
const netplanFile = "/etc/netplan/50-cloud-init.yaml"

// netplanAsIs hands a version 2 document to netplan, whose form it is.
func netplanAsIs(document []byte, wrapped bool) []plan.Step {
	var t text
	t.WriteString(heading)
	if wrapped {
		t.Write(document)
	} else {
		t.line("network:")
		for l := range strings.Lines(string(document)) {
			t.WriteString("  " + l)
		}
	}
	if !strings.HasSuffix(t.String(), "\n") {
		t.line()
	}
	return []plan.Step{t.step(netplanFile, 0o600)}
}

// netplan writes links in netplan's form.
func netplan(links []*link) []plan.Step {
	var t text
	t.WriteString(heading + "network:\n  version: 2\n")
	for _, kind := range []string{ethernet, bond, bridge, vlan} {
		first := true
		for _, l := range links {
			if l.kind != kind {
				continue
			}
			if first {
				t.line("  ", kind, ":")
				first = false
			}
			t.netplan(links, l)
		}
	}
	return []plan.Step{t.step(netplanFile, 0o600)}
}

func (t *text) netplan(links []*link, l *link) {
	const in = "      "
	t.line("    ", quoted(l.id), ":")
	if l.mac != "" || l.names != "" {
		t.line(in, "match:")
		t.set(in+"  macaddress: ", quoted(l.mac))
		t.set(in+"  name: ", quoted(l.names))
	}
	t.set(in+"set-name: ", quoted(l.rename))
	t.set(in+"macaddress: ", quoted(l.address))
	t.line(in, "dhcp4: ", strconv.FormatBool(l.dhcp4))
	t.line(in, "dhcp6: ", strconv.FormatBool(l.dhcp6))
	if l.ra != nil {
		t.line(in, "accept-ra: ", strconv.FormatBool(*l.ra))
	}
	if l.optional {
		t.line(in, "optional: true")
	}
	t.number(in+"mtu: ", l.mtu)
	if l.kind == vlan {
		t.line(in, "id: ", strconv.FormatInt(l.tag, 10))
		t.set(in+"link: ", quoted(l.parent))
	}
	t.list(in+"interfaces:", in, l.members)
	var addresses []string
	for _, a := range l.addresses {
		addresses = append(addresses, a.String())
	}
	t.list(in+"addresses:", in, addresses)
	if len(l.dns)+len(l.search) > 0 {
		t.line(in, "nameservers:")
		t.list(in+"  addresses:", in+"  ", addrs(l.dns, 0))
		t.list(in+"  search:", in+"  ", l.search)
	}
	if len(l.routes) > 0 {
		t.line(in, "routes:")
	}
	for _, r := range l.routes {
		t.line(in, "- to: ", quoted(r.to.String()))
		if r.via.IsValid() {
			t.line(in, "  via: ", quoted(r.via.String()))
		}
		t.number(in+"  metric: ", r.metric)
		if r.onLink {
			t.line(in, "  on-link: true")
		}
	}
	if len(l.params) > 0 {
		t.line(in, "parameters:")
	}
	for _, p := range l.params {
		value := p.value
		if p.name != "stp" {
			value = quoted(value)
		}
		t.line(in, "  ", p.name, ": ", value)
	}
}

// quoted is a YAML string; nothing for nothing. What is written was read
// without quotes and backslashes in it.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return `"` + s + `"`
}

func (t *text) list(head, indent string, items []string) {
	if len(items) == 0 {
		return
	}
	t.line(head)
	for _, item := range items {
		t.line(indent, "- ", quoted(item))
	}
}
