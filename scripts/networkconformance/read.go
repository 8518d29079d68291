package main

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// links are the facts that are read of each link, by the link's name.
type links map[string]map[string]bool

func (l links) add(link, fact string) {
	if l[link] == nil {
		l[link] = map[string]bool{}
	}
	l[link][fact] = true
}

// route adds a route by what ip-route(8) calls its parts.
func (l links) route(link string, parts map[string]string) {
	to := parts["to"]
	if to == "default" || to == "" {
		to = "0.0.0.0/0"
		if strings.Contains(parts["via"], ":") {
			to = "::/0"
		}
	}
	if a, err := netip.ParseAddr(to); err == nil {
		to = netip.PrefixFrom(a, a.BitLen()).String()
	}
	if p, err := netip.ParsePrefix(to); err == nil {
		to = p.Masked().String()
	}
	parts["to"] = to
	if parts["type"] == "unicast" {
		delete(parts, "type")
	}
	if parts["scope"] == "global" {
		delete(parts, "scope")
	}
	var words []string
	for k, v := range parts {
		if v != "" && v != "no" {
			words = append(words, k+"="+v)
		}
	}
	slices.Sort(words)
	l.add(link, "route "+strings.Join(words, " "))
}

// read reads a renderer's files.
func read(renderer string, files map[string]string) links {
	out := links{}
	for _, file := range slices.Sorted(mapsKeys(files)) {
		text := files[file]
		switch renderer {
		case "netplan":
			if strings.HasSuffix(file, ".yaml") {
				out.netplan(text)
			}
		case "networkd":
			out.networkd(file, text)
		case "network-manager":
			if strings.HasSuffix(file, ".nmconnection") {
				out.keyfile(file, text)
			}
		case "eni":
			if strings.Contains(file, "interfaces") {
				out.interfaces(text)
			}
		case "sysconfig":
			out.sysconfig(file, text)
		}
		if strings.HasPrefix(file, "/etc/udev/") || strings.HasPrefix(file, "/run/udev/") {
			out.udev(text)
		}
	}
	if renderer == "network-manager" {
		out.references(files)
	}
	if renderer == "eni" {
		out.members()
	}
	for _, facts := range out {
		networkdDefaults(facts)
	}
	return out
}

// udev reads rules that rename.
func (l links) udev(text string) {
	for line := range strings.Lines(text) {
		name, mac := "", ""
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimSpace(part)
			if v, ok := strings.CutPrefix(part, `NAME="`); ok {
				name = strings.TrimSuffix(v, `"`)
			}
			if v, ok := strings.CutPrefix(part, `ATTR{address}=="`); ok {
				mac = strings.ToLower(strings.TrimSuffix(v, `"`))
			}
		}
		if name != "" && mac != "" {
			l.add("", "udev names "+mac+" "+name)
		}
	}
}

type iniSection struct {
	name string
	keys [][2]string
}

func parseINI(text string) []iniSection {
	var out []iniSection
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			out = append(out, iniSection{name: strings.Trim(line, "[]")})
		case len(out) > 0:
			k, v, _ := strings.Cut(line, "=")
			at := &out[len(out)-1]
			at.keys = append(at.keys, [2]string{strings.TrimSpace(k), strings.TrimSpace(v)})
		}
	}
	return out
}

// word settles on one spelling of booleans and hardware addresses.
func word(v string) string {
	switch strings.ToLower(v) {
	case "true", "yes", "on":
		return "yes"
	case "false", "no", "off":
		return "no"
	}
	if len(v) == 17 && strings.Count(v, ":") == 5 {
		return strings.ToLower(v)
	}
	return v
}

// seconds reads systemd's time spans of milliseconds and seconds as milliseconds.
func seconds(v string) string {
	unit := 1000
	if n, ok := strings.CutSuffix(v, "ms"); ok {
		v, unit = n, 1
	} else {
		v = strings.TrimSuffix(v, "s")
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return v
	}
	return strconv.Itoa(n*unit) + "ms"
}

func stem(file, start string) string {
	name := path.Base(file)
	name = strings.TrimPrefix(strings.TrimPrefix(name, start+"cloud-init-"), start+"netplan-")
	return strings.TrimSuffix(name, path.Ext(name))
}

func (l links) networkd(file, text string) {
	ext := path.Ext(file)
	if ext != ".network" && ext != ".netdev" && ext != ".link" || !strings.Contains(file, "/systemd/network/") {
		return
	}
	link := stem(file, "10-")
	l.add(link, "file "+ext)
	for _, s := range parseINI(text) {
		switch s.name {
		case "Route":
			parts := map[string]string{}
			for _, kv := range s.keys {
				names := map[string]string{"Destination": "to", "Gateway": "via", "PreferredSource": "src", "GatewayOnLink": "onlink", "GatewayOnlink": "onlink"}
				k := kv[0]
				if n, ok := names[k]; ok {
					k = n
				}
				parts[strings.ToLower(k)] = word(kv[1])
			}
			l.route(link, parts)
		case "RoutingPolicyRule", "WireGuardPeer", "Address":
			if s.name == "Address" && len(s.keys) == 1 {
				l.add(link, "Network.Address="+s.keys[0][1])
				continue
			}
			var words []string
			for _, kv := range s.keys {
				words = append(words, kv[0]+"="+word(kv[1]))
			}
			slices.Sort(words)
			l.add(link, s.name+" "+strings.Join(words, " "))
		default:
			for _, kv := range s.keys {
				l.networkdKey(link, ext, s.name, kv[0], word(kv[1]))
			}
		}
	}
}

func (l links) networkdKey(link, ext, section, key, value string) {
	if strings.HasSuffix(key, "Sec") {
		value = seconds(value)
	}
	switch {
	case section == "Network" && key == "Gateway":
		l.route(link, map[string]string{"via": value})
	case section == "Network" && (key == "DNS" || key == "Domains" || key == "Address"), section == "Match" && key == "Driver":
		for _, v := range strings.Fields(value) {
			l.add(link, section+"."+key+"="+v)
		}
	case section == "Match" && (key == "PermanentMACAddress" || key == "MACAddress"):
		l.add(link, ext+" Match.MAC="+strings.ToLower(value))
	case section == "Match" || section == "Link":
		l.add(link, ext+" "+section+"."+key+"="+value)
	case section == "DHCP":
		// systemd reads the old section for both families (networkd-network-gperf.gperf).
		l.add(link, "DHCPv4."+key+"="+value)
		switch key {
		case "UseDNS", "UseNTP", "UseDomains", "UseHostname", "SendHostname", "Hostname":
			l.add(link, "DHCPv6."+key+"="+value)
		case "RouteMetric":
			l.add(link, "IPv6AcceptRA."+key+"="+value)
		}
	case section == "Tunnel" && key == "Key":
		l.add(link, "Tunnel.InputKey="+value)
		l.add(link, "Tunnel.OutputKey="+value)
	case section == "WireGuard" && key == "FwMark":
		l.add(link, "WireGuard.FirewallMark="+value)
	case section == "Bond" && key == "AllSlavesActive" && value == "1":
		l.add(link, "Bond.AllSlavesActive=yes")
	default:
		l.add(link, section+"."+key+"="+value)
	}
}

// networkdDefaults takes out what says no more than systemd's defaults, and
// settings of a family whose DHCP is off.
func networkdDefaults(facts map[string]bool) {
	dhcp := func(family string) bool { return facts["Network.DHCP=yes"] || facts["Network.DHCP=ipv"+family] }
	hardware := false
	for f := range facts {
		hardware = hardware || strings.Contains(f, " Match.MAC=")
	}
	for f := range facts {
		switch {
		case strings.HasPrefix(f, "DHCPv4.") && !dhcp("4"), strings.HasPrefix(f, "DHCPv6.") && !dhcp("6"):
			delete(facts, f)
		case strings.HasSuffix(f, "=yes") && (strings.HasPrefix(f, "DHCPv4.Use") && f != "DHCPv4.UseMTU=yes" && f != "DHCPv4.UseDomains=yes" || strings.HasPrefix(f, "DHCPv6.Use") && f != "DHCPv6.UseDomains=yes" || strings.HasSuffix(f, ".SendHostname=yes")):
			delete(facts, f)
		case f == "Network.DHCP=no", f == ".network Link.RequiredForOnline=yes", f == ".link Link.WakeOnLan=no":
			delete(facts, f)
		case strings.HasPrefix(f, ".network Match.Name=") && hardware:
			delete(facts, f) // the hardware address says it alone
		}
	}
}

func (l links) keyfile(file, text string) {
	link := stem(file, "")
	options := map[string]map[string]string{}
	routes := map[string]map[string]string{}
	for _, s := range parseINI(text) {
		for _, kv := range s.keys {
			key, value := kv[0], word(kv[1])
			at := s.name + "." + key
			family := s.name == "ipv4" || s.name == "ipv6"
			number := strings.TrimLeft(key, "abcdefghijklmnopqrstuvwxyz-")
			switch {
			case key == "may-fail" && value == "yes": // the default
			case s.name == "user", s.name == "connection" && (key == "id" || key == "uuid" || key == "autoconnect-priority"):
			case family && strings.HasPrefix(key, "address") && number != "":
				l.add(link, s.name+".address="+value)
			case family && strings.HasPrefix(key, "routing-rule"):
				words := strings.Fields(value)
				var pairs []string
				for i := 0; i+1 < len(words); i += 2 {
					pairs = append(pairs, words[i]+"="+words[i+1])
				}
				slices.Sort(pairs)
				l.add(link, s.name+" rule "+strings.Join(pairs, " "))
			case family && strings.HasPrefix(key, "route") && strings.HasSuffix(key, "_options"):
				name := s.name + strings.TrimSuffix(key, "_options")
				options[name] = map[string]string{}
				for o := range strings.SplitSeq(value, ",") {
					k, v, _ := strings.Cut(o, "=")
					options[name][k] = word(v)
				}
			case family && strings.HasPrefix(key, "route") && number != "" && !strings.Contains(key, "-"):
				w := append(strings.Split(value, ","), "", "")
				routes[s.name+key] = map[string]string{"to": w[0], "via": w[1], "metric": w[2]}
			case family && key == "gateway":
				routes[s.name+key] = map[string]string{"via": value}
			case family && (key == "dns" || key == "dns-search"), s.name == "match", key == "allowed-ips":
				for v := range strings.SplitSeq(strings.Trim(value, ";"), ";") {
					l.add(link, at+"="+v)
				}
			default:
				l.add(link, at+"="+value)
			}
		}
	}
	for name, parts := range routes {
		for k, v := range options[name] {
			parts[k] = v
		}
		l.route(link, parts)
	}
}

// references replaces the identities of connections by their names.
func (l links) references(files map[string]string) {
	names := map[string]string{}
	for file, text := range files {
		for _, s := range parseINI(text) {
			for _, kv := range s.keys {
				if s.name == "connection" && kv[0] == "uuid" {
					names[kv[1]] = stem(file, "")
				}
			}
		}
	}
	for _, facts := range l {
		for f := range facts {
			if k, v, ok := strings.Cut(f, "="); ok && names[v] != "" {
				delete(facts, f)
				facts[k+"="+names[v]] = true
			}
		}
	}
}

func (l links) netplan(text string) {
	var doc struct {
		Network map[string]yaml.Node
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		l.add("", "no YAML: "+err.Error())
		return
	}
	for kind, node := range doc.Network {
		if kind == "version" {
			continue
		}
		if node.Kind != yaml.MappingNode {
			l.add("", kind+"="+node.Value)
			continue
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			link := node.Content[i].Value
			l.add(link, "kind "+kind)
			l.netplanKeys(link, "", node.Content[i+1])
		}
	}
}

func (l links) netplanKeys(link, prefix string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := prefix+n.Content[i].Value, n.Content[i+1]
		switch {
		case n.Content[i].Value == "<<":
			l.netplanMerged(link, n, value)
		case key == "gateway4" || key == "gateway6":
			l.route(link, map[string]string{"via": value.Value})
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			l.netplanKeys(link, key+".", value)
		case value.Kind == yaml.SequenceNode:
			if len(value.Content) == 0 {
				l.add(link, key+"=[]")
			}
			for _, item := range value.Content {
				l.netplanItem(link, key, item)
			}
		case value.Kind == yaml.ScalarNode:
			l.add(link, key+"="+word(value.Value))
		}
	}
	for f := range l[link] {
		if f == "dhcp4=no" || f == "dhcp6=no" {
			delete(l[link], f)
		}
	}
}

// netplanMerged reads a merge key, under the keys that the mapping has itself.
func (l links) netplanMerged(link string, n, merged *yaml.Node) {
	if merged.Kind == yaml.AliasNode {
		merged = merged.Alias
	}
	rest := yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(merged.Content); i += 2 {
		own := false
		for j := 0; j+1 < len(n.Content); j += 2 {
			own = own || n.Content[j].Value == merged.Content[i].Value
		}
		if !own {
			rest.Content = append(rest.Content, merged.Content[i], merged.Content[i+1])
		}
	}
	l.netplanKeys(link, "", &rest)
}

func (l links) netplanItem(link, key string, item *yaml.Node) {
	if item.Kind == yaml.ScalarNode {
		l.add(link, key+"="+item.Value)
		return
	}
	parts := map[string]string{}
	for i := 0; i+1 < len(item.Content); i += 2 {
		k := item.Content[i].Value
		if k == "on-link" {
			k = "onlink"
		}
		parts[k] = word(item.Content[i+1].Value)
	}
	if key == "routes" {
		l.route(link, parts)
		return
	}
	var words []string
	for k, v := range parts {
		words = append(words, k+"="+v)
	}
	slices.Sort(words)
	l.add(link, key+" "+strings.Join(words, " "))
}
