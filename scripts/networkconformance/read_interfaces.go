package main

import (
	"net/netip"
	"path"
	"strings"
)

// interfaces reads interfaces(5).
func (l links) interfaces(text string) {
	link, method, metric := "", "", ""
	var gateway string
	end := func() {
		if gateway != "" {
			l.route(link, map[string]string{"via": gateway, "metric": metric})
		} else if metric != "" {
			l.add(link, "metric "+metric)
		}
		gateway, metric = "", ""
	}
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 2 || strings.HasPrefix(w[0], "#") {
			continue
		}
		value := strings.Join(w[1:], " ")
		switch w[0] {
		case "auto":
			if value != "lo" {
				l.add(value, "auto")
			}
		case "rename", "no-auto-down":
			l.add("", w[0]+" "+value)
		case "iface":
			end()
			link, method = w[1], w[3]
			if method != "manual" && method != "loopback" && method != "static" {
				l.add(link, w[2]+" "+method)
			}
		case "gateway":
			gateway = value
		case "metric":
			metric = value
		case "dns-nameservers", "dns-search":
			for _, v := range w[1:] {
				l.add("", w[0]+" "+v)
			}
		case "up", "post-up":
			if w[1] == "route" || len(w) > 3 && w[1] == "ip" && w[3] == "route" {
				l.command(link, w[1:])
			} else {
				l.add(link, value)
			}
		case "pre-down", "down":
		case "post-down":
		default:
			if i := strings.Index(value, " ||"); i > 0 {
				value = value[:i]
			}
			l.add(link, strings.ReplaceAll(w[0], "_", "-")+" "+word(value))
		}
		if strings.HasPrefix(w[0], "post-up") && link == "" {
			continue
		}
	}
	end()
}

// command reads "route add" of net-tools and "ip route replace".
func (l links) command(link string, w []string) {
	parts := map[string]string{}
	for i := 0; i < len(w); i++ {
		next := func() string {
			if i++; i < len(w) {
				return w[i]
			}
			return ""
		}
		switch w[i] {
		case "||":
			i = len(w)
		case "route", "add", "replace", "ip", "-4", "-6", "-A", "inet6":
		case "-net", "-host":
			parts["to"] = next()
		case "gw", "via":
			parts["via"] = next()
		case "onlink":
			parts["onlink"] = "yes"
		case "dev":
			next()
		case "metric", "table", "mtu", "src", "scope", "initcwnd", "initrwnd", "advmss":
			name := w[i]
			parts[name] = next()
		default:
			if parts["to"] == "" {
				parts["to"] = w[i]
			} else {
				parts["type"], parts["to"] = parts["to"], w[i]
			}
		}
	}
	l.route(link, parts)
}

// members leaves what belongs to a bond to the bond alone: its members repeat
// it in cloud-init's files, and ifenslave reads it of the bond.
func (l links) members() {
	for _, facts := range l {
		member := false
		for f := range facts {
			member = member || strings.HasPrefix(f, "bond-master ")
		}
		for f := range facts {
			if member && strings.HasPrefix(f, "bond-") && !strings.HasPrefix(f, "bond-master ") {
				delete(facts, f)
			}
		}
	}
}

// sysconfig reads Red Hat's ifcfg and route files.
func (l links) sysconfig(file, text string) {
	base := path.Base(file)
	switch {
	case strings.HasPrefix(base, "ifcfg-"):
		l.ifcfg(strings.TrimPrefix(base, "ifcfg-"), text)
	case strings.HasPrefix(base, "route-"), strings.HasPrefix(base, "route6-"):
		_, link, _ := strings.Cut(base, "-")
		l.routeFile(link, text)
	case base == "resolv.conf":
		for line := range strings.Lines(text) {
			w := strings.Fields(line)
			if len(w) > 1 && (w[0] == "nameserver" || w[0] == "search") {
				for _, v := range w[1:] {
					l.add("", w[0]+" "+v)
				}
			}
		}
	}
}

func variables(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
			out[k] = strings.Trim(v, `"`)
		}
	}
	return out
}

func (l links) ifcfg(link, text string) {
	vars := variables(text)
	mask := func(n string) string {
		if p := vars["PREFIX"+n]; p != "" {
			return p
		}
		m, err := netip.ParseAddr(vars["NETMASK"+n])
		if err != nil {
			return "?"
		}
		bits := 0
		for _, b := range m.AsSlice() {
			for ; b != 0; b <<= 1 {
				bits++
			}
		}
		return itoa(bits)
	}
	for k, v := range vars {
		number := strings.TrimLeft(k, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
		switch name := strings.TrimSuffix(k, number); {
		case k == "NAME" || k == "USERCTL" || k == "DEFROUTE" || k == "TYPE" && v != "InfiniBand":
		case name == "IPADDR":
			l.add(link, "address "+v+"/"+mask(number))
		case name == "PREFIX" || name == "NETMASK":
		case k == "IPV6ADDR" || strings.HasPrefix(k, "IPV6ADDR_SEC"):
			for _, a := range strings.Fields(v) {
				l.add(link, "address "+a)
			}
		case k == "GATEWAY":
			l.route(link, map[string]string{"via": v, "metric": vars["METRIC"]})
		case k == "IPV6_DEFAULTGW":
			l.route(link, map[string]string{"via": v})
		case name == "DNS":
			l.add("", "nameserver "+v)
		case k == "DOMAIN":
			for _, s := range strings.Fields(v) {
				l.add("", "search "+s)
			}
		case name == "BONDING_SLAVE":
		case k == "BONDING_OPTS" || k == "BRIDGING_OPTS":
			// Addresses in a list have blanks between them in cloud-init's.
			for _, o := range strings.Fields(v) {
				l.add(link, k+" "+o)
			}
		default:
			l.add(link, k+"="+word(v))
		}
	}
}

func itoa(n int) string {
	s := ""
	for ; n > 9; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return string(rune('0'+n)) + s
}

func (l links) routeFile(link, text string) {
	vars := variables(text)
	if len(vars) == 0 {
		for line := range strings.Lines(text) {
			if w := strings.Fields(line); len(w) > 1 && w[0] != "#" {
				l.command(link, w)
			}
		}
		return
	}
	for k, v := range vars {
		if n, ok := strings.CutPrefix(k, "ADDRESS"); ok {
			prefix := vars["PREFIX"+n]
			if prefix == "" {
				m, err := netip.ParseAddr(vars["NETMASK"+n])
				bits := 0
				if err == nil {
					for _, b := range m.AsSlice() {
						for ; b != 0; b <<= 1 {
							bits++
						}
					}
				}
				prefix = itoa(bits)
			}
			l.route(link, map[string]string{"to": v + "/" + prefix, "via": vars["GATEWAY"+n], "metric": vars["METRIC"+n]})
		}
	}
	for line := range strings.Lines(text) {
		if w := strings.Fields(line); len(w) > 2 && w[1] == "via" {
			l.command(link, w)
		}
	}
}
