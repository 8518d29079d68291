package source

import (
	"strconv"
	"strings"

	"boothook/netboot/instance"
)

// maxInterfaces bounds the stanzas that are taken from a text.
const maxInterfaces = 256

// interfacesNetwork turns a text in the form of interfaces(5), which older clouds
// give: its stanzas "iface", with the options of ifupdown, ifenslave (bond-),
// vlan and bridge-utils (bridge_) that say what an interface is. A link that is
// not brought up by auto or allow-hotplug is configured all the same, as
// cloud-init does. Commands are not run: of them, only "route add" is understood.
func interfacesNetwork(in *instance.Instance, origin, text string) []byte {
	p := interfaces{in: in, origin: origin, links: map[string]object{}, options: map[string]map[string]string{}}
	for n, line := range joined(text) {
		p.line(n+1, strings.Fields(line))
	}
	c := netConfig{}
	for _, name := range p.names {
		p.kind(c, name)
	}
	return c.document()
}

// joined gives the lines of a text; one that ends in a backslash goes on in the
// next.
func joined(text string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", " "), "\n")
}

// An interfaces is such a text while it is read.
type interfaces struct {
	in     *instance.Instance
	origin string
	names  []string // in their order
	links  map[string]object
	// options are those that say what kind of link it is.
	options map[string]map[string]string

	now            string // the name of the stanza
	address, given string // its address, and what says how long the prefix is
}

// line takes one line in.
func (p *interfaces) line(n int, words []string) {
	if len(words) == 0 || words[0][0] == '#' {
		return
	}
	switch key := words[0]; {
	case key == "iface" && len(words) > 3:
		p.stanza(words[1], words[2], words[3])
	case key == "auto" || strings.HasPrefix(key, "allow-") || key == "iface":
		p.now = ""
	case key == "source" || key == "source-directory" || key == "mapping":
		p.now = ""
		p.in.Bad(p.origin, "line "+strconv.Itoa(n)+": "+key+" leads nowhere here, and is left out")
	case p.now == "lo" || p.now == "" || len(words) < 2:
	default:
		p.option(n, key, words[1:])
	}
}

// stanza begins the one of an interface and an address family.
func (p *interfaces) stanza(name, family, method string) {
	p.now, p.address, p.given = name, "", ""
	if method == "loopback" || name == "lo" {
		p.now = "lo"
		return
	}
	if p.links[name] == nil {
		if len(p.names) == maxInterfaces {
			p.now = ""
			return
		}
		p.names = append(p.names, name)
		p.links[name], p.options[name] = object{}, map[string]string{}
	}
	l := p.links[name]
	switch {
	case method == "dhcp" && family == "inet6":
		l.set("dhcp6", true)
	case method == "dhcp":
		l.set("dhcp4", true)
	case method == "auto" && family == "inet6":
		l.set("accept-ra", true)
	}
}

// setAddress enters the address with the mask that is known so far.
func (p *interfaces) setAddress() {
	l, full := p.links[p.now], cidr(p.address, p.given)
	addresses, _ := l["addresses"].([]any)
	switch last := len(addresses) - 1; {
	case p.address == "":
	case last >= 0 && addresses[last] == any(p.address):
		addresses[last] = full
	default:
		l.more("addresses", full)
	}
}

// option takes one option of a stanza in.
func (p *interfaces) option(n int, key string, words []string) {
	l, value := p.links[p.now], strings.Join(words, " ")
	switch key {
	case "address":
		p.address = value
		p.setAddress()
	case "netmask":
		p.given = value
		p.setAddress()
	case "gateway":
		l.route("", value)
	case "metric":
		for _, r := range list(l["routes"]) {
			r.(object).number("metric", value)
		}
	case "mtu":
		l.number("mtu", value)
	case "dns-nameservers", "dns-nameserver":
		l.servers(fields(value)...)
	case "dns-search", "dns-domain":
		l.search(fields(value)...)
	case "accept_ra":
		l.set("accept-ra", value != "0")
	case "hwaddress":
		p.options[p.now][key] = words[len(words)-1]
	case "up", "post-up":
		p.command(n, words)
	case "down", "pre-down", "post-down", "pre-up", "broadcast", "network", "scope", "autoconf", "bridge_waitport", "bridge_maxwait":
		// These say nothing that is not said by other options, or end what is not begun.
	default:
		if strings.HasPrefix(key, "bond") || strings.HasPrefix(key, "vlan") || strings.HasPrefix(key, "bridge") {
			p.options[p.now][strings.ReplaceAll(key, "_", "-")] = value
			return
		}
		p.in.Bad(p.origin, "line "+strconv.Itoa(n)+": "+key+" is not understood, and left out")
	}
}

// command reads "route add", as cloud-init does.
func (p *interfaces) command(n int, words []string) {
	if len(words) > 1 && words[0] == "route" && words[1] == "add" {
		to, mask, via := "", "", ""
		for i := 2; i < len(words); i++ {
			next := ""
			if i+1 < len(words) {
				next = words[i+1]
			}
			switch words[i] {
			case "-net", "-host":
				to = next
			case "netmask":
				mask = next
			case "gw":
				via = next
			case "default":
				to, mask = "", ""
			}
		}
		if via != "" {
			p.links[p.now].route(cidr(to, mask), via)
			return
		}
	}
	p.in.Bad(p.origin, "line "+strconv.Itoa(n)+": a command, which is not run")
}

// kind enters a link as what its options say it is.
func (p *interfaces) kind(c netConfig, name string) {
	l, options := p.links[name], p.options[name]
	parent, tag, isVLAN := strings.Cut(name, ".")
	if raw := options["vlan-raw-device"]; raw != "" {
		parent, isVLAN = raw, true
		if options["vlan-id"] != "" {
			tag = options["vlan-id"]
		} else if tag == "" {
			tag = strings.TrimPrefix(name, "vlan")
		}
	}
	kind := "ethernets"
	switch {
	case options["bond-slaves"] != "" || options["bond-mode"] != "":
		kind = "bonds"
		l.set("interfaces", p.members(name, "bond-master", options["bond-slaves"]))
		keys := object{}
		for key, value := range options {
			if key != "bond-slaves" && key != "bond-master" && strings.HasPrefix(key, "bond-") {
				keys[strings.ReplaceAll(key, "-", "_")] = value
			}
		}
		if parameters := bondParameters(keys); len(parameters) > 0 {
			l.set("parameters", parameters)
		}
	case options["bridge-ports"] != "":
		kind = "bridges"
		l.set("interfaces", p.members(name, "", options["bridge-ports"]))
	case isVLAN:
		kind = "vlans"
		l.set("link", parent)
		l.number("id", tag)
	}
	if mac := options["hwaddress"]; mac != "" && kind == "ethernets" {
		l.set("match", object{"macaddress": strings.ToLower(mac)})
		l.set("set-name", name)
	} else if mac != "" {
		l.set("macaddress", strings.ToLower(mac))
	}
	target := c.link(kind, name)
	for key, value := range l {
		target[key] = value
	}
}

// members are the interfaces of a bond or bridge: those that it names, or those
// that name it.
func (p *interfaces) members(name, by, named string) []any {
	if named != "none" && named != "" {
		return fields(named)
	}
	var out []any
	for _, other := range p.names {
		if by != "" && p.options[other][by] == name {
			out = append(out, other)
		}
	}
	return out
}

// isInterfaces says that a text is in the form of interfaces(5), and not YAML.
func isInterfaces(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) > 1 && (words[0] == "iface" || words[0] == "auto") && !strings.HasSuffix(words[0], ":") {
			return true
		}
	}
	return false
}
