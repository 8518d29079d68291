package network

import (
	"path"
	"slices"
	"strings"

	"boothook/injector/plan"
)

const (
	resolvConf = "/etc/resolv.conf"
	// resolvedStub is what systemd-resolved's own resolv.conf names
	// (systemd-resolved.service(8)).
	resolvedStub = "nameserver 127.0.0.53"
)

// included says whether ifupdown reads files in its folder. Where interfaces
// has no line that says so, the steps add one.
func included(facts *plan.Facts) (folder bool, steps []plan.Step) {
	if facts == nil {
		return true, nil
	}
	if !facts.Exists[interfacesFile] {
		return false, nil
	}
	for line := range strings.Lines(facts.Files[interfacesFile]) {
		w := strings.Fields(line)
		if len(w) < 2 || w[0] != "source" && w[0] != "source-directory" {
			continue
		}
		for _, pattern := range w[1:] {
			if !strings.HasPrefix(pattern, "/") {
				pattern = "/etc/network/" + pattern
			}
			if w[0] == "source-directory" {
				pattern += "/*"
			}
			if ok, err := path.Match(pattern, ifupdownFile); err == nil && ok {
				return true, nil
			}
		}
	}
	return true, []plan.Step{{
		Kind: plan.File, Path: interfacesFile, Append: true, Mode: 0o644,
		Body: []byte("\n# Added by boothook, for network-config.\nsource " + interfacesDir + "/*\n"),
	}}
}

// ours says whether cloud-init or boothook wrote a file for a network-config.
func ours(file, text string) bool {
	base := path.Base(file)
	switch path.Dir(file) + "/" {
	case "/etc/netplan/":
		return base == "50-cloud-init.yaml"
	case "/etc/systemd/network/":
		return strings.HasPrefix(base, "10-cloud-init-")
	case "/etc/NetworkManager/system-connections/":
		return strings.HasPrefix(base, "cloud-init-") && strings.HasSuffix(base, ".nmconnection")
	case interfacesDir + "/":
		return strings.HasPrefix(base, "50-cloud-init")
	case "/etc/udev/rules.d/":
		return file == renameFile
	case ifcfgDir, ifcfgSUSEDir:
		kinds := []string{"ifcfg-", "route-", "route6-", "rule-", "rule6-", "ifroute-", "ifrule-"}
		return slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(base, k) }) &&
			(strings.HasPrefix(text, heading) || strings.HasPrefix(text, "# Created by cloud-init"))
	}
	return false
}

// leftovers removes what was written for an older network-config, of every
// renderer, and names what of the image's own is about the same links.
func (r *reader) leftovers(re renderer, facts *plan.Facts, steps []plan.Step) []plan.Step {
	var out []plan.Step
	var files []string
	for file := range facts.Files {
		files = append(files, file)
	}
	slices.Sort(files)
	for _, file := range files {
		text := facts.Files[file]
		written := slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Path == file && !s.Append })
		switch {
		case written:
		case ours(file, text):
			out = append(out, plan.Step{Kind: plan.Remove, Path: file})
		default:
			r.rival(re, facts, file, text)
		}
	}
	return out
}

// everything is the claim of a file on all interfaces.
const everything = "*"

// claims are the names, patterns and addresses of the interfaces that a file
// configures, if it is one of a daemon's; the daemon's renderer comes with them.
func claims(file, text string) (daemon string, claims []string) {
	dir, base := path.Split(file)
	switch {
	case file == interfacesFile, dir == interfacesDir+"/":
		daemon = "eni"
		for line := range strings.Lines(text) {
			if w := strings.Fields(line); len(w) > 1 && w[0] == "iface" && w[1] != "lo" {
				claims = append(claims, w[1])
			}
		}
	case dir == "/etc/systemd/network/" && strings.HasSuffix(base, ".network"):
		daemon, claims = "networkd", settingsOf(text, "Name", "MACAddress", "PermanentMACAddress")
		if len(claims) == 0 && slices.Contains(settingsOf(text, "Type"), "ether") {
			claims = []string{everything}
		}
	case dir == "/etc/netplan/" && strings.HasSuffix(base, ".yaml"):
		daemon = "netplan"
		doc, _ := Read([]byte(text), file)
		for _, kind := range inner(doc).Map {
			for _, e := range kind.Value.Map {
				if letterOf(kind.Key.Scalar()) != 0 {
					match := e.Value.Get("match")
					claims = append(claims, e.Key.Scalar(), match.Get("name").Scalar(), match.Get("macaddress").Scalar())
				}
			}
		}
	case dir == path.Dir(keyfileDir)+"/":
		daemon, claims = "network-manager", settingsOf(text, "interface-name", "mac-address")
		if kind := settingsOf(text, "type"); len(claims) == 0 && (slices.Contains(kind, "ethernet") || slices.Contains(kind, "802-3-ethernet")) {
			claims = []string{everything}
		}
	case (dir == ifcfgDir || dir == ifcfgSUSEDir) && strings.HasPrefix(base, "ifcfg-"):
		daemon, claims = "sysconfig", settingsOf(text, "DEVICE", "HWADDR")
	}
	return daemon, claims
}

// rival names a file of the image that configures one of the links too: of the
// daemon that is written for, which would obey it as well or instead, or of
// another that the root has.
func (r *reader) rival(re renderer, facts *plan.Facts, file, text string) {
	base := path.Base(file)
	daemon, claims := claims(file, text)
	switch daemon {
	case "networkd":
		if re.name == "networkd" && base > "10-cloud-init-" || re.name == "netplan" && base > "10-netplan-" {
			return // the first that matches counts
		}
		if re.name == "netplan" {
			daemon = re.name // which has networkd read its files
		}
	case "network-manager":
		if re.name != daemon {
			return
		}
		if own := settingsOf(text, "autoconnect-priority"); len(own) == 0 || len(own[0]) < 3 || own[0] < keyfilePriority {
			return // the highest that matches counts
		}
	}
	if daemon == "" || daemon != re.name && !available(daemon, facts) {
		return
	}
	for _, l := range r.links {
		claimed := slices.ContainsFunc(claims, func(c string) bool {
			match, err := path.Match(c, l.device())
			return err == nil && match || c != "" && strings.EqualFold(c, l.said.get("match.macaddress")) || daemon == "netplan" && c == l.id
		})
		if claimed {
			other, _ := named(daemon)
			r.note(0, daemon != re.name, "%s has %s too, for %s; take it out of the image", file, l.device(), other.daemon)
		}
	}
}

// settingsOf are the words of the values that some keys have in a file of
// KEY=VALUE lines.
func settingsOf(text string, keys ...string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && slices.Contains(keys, key) {
			out = append(out, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	return out
}

// missing names packages that ifupdown's stanzas need and the root lacks.
func (r *reader) missing(facts *plan.Facts) {
	if facts == nil {
		return
	}
	for _, l := range r.links {
		need := func(what, name string, paths ...string) {
			if !has(facts, paths...) {
				r.problem(l.line, "%s: %s needs the package %s, which the root lacks", l.id, what, name)
			}
		}
		switch l.kind {
		case bond:
			need("a bond", "ifenslave", "/etc/network/if-pre-up.d/ifenslave")
		case vlan:
			if l.hookedVLAN(r.links.deviceOf(l.said.get("link"))) {
				need("a vlan", "vlan", "/etc/network/if-pre-up.d/vlan")
			}
		case bridge:
			need("a bridge", "bridge-utils", "/sbin/brctl", "/usr/sbin/brctl", "/etc/network/if-pre-up.d/bridge", "/lib/bridge-utils/ifupdown.sh")
		}
		for _, key := range strings.Fields("wakeonlan receive-checksum-offload transmit-checksum-offload tcp-segmentation-offload generic-segmentation-offload generic-receive-offload large-receive-offload") {
			if l.said.has(key) {
				need(key, "ethtool", "/etc/network/if-up.d/ethtool")
				break
			}
		}
		if l.dhcp4() || l.dhcp6() {
			need("DHCP", "isc-dhcp-client or another DHCP client", "/sbin/dhclient", "/usr/sbin/dhclient", "/sbin/dhcpcd", "/usr/sbin/dhcpcd", "/sbin/udhcpc", "/usr/sbin/udhcpc", "/sbin/pump")
		}
	}
}

// resolver sees to it that name servers reach resolv.conf, where the daemon
// does not bring them there.
func (r *reader) resolver(re renderer, facts *plan.Facts) []plan.Step {
	resolved := has(facts, resolvedProgram, "/usr"+resolvedProgram)
	if resolved && facts.Exists[resolvConf] && !strings.Contains(facts.Files[resolvConf], resolvedStub) {
		// A file of the image's: whoever reads it asks past systemd-resolved,
		// whose own is a link into /run, where nothing is yet.
		resolved = false
	}
	switch re.name {
	case "networkd", "netplan":
		if resolved || re.name == "netplan" && has(facts, managerProgram) {
			return nil
		}
	case "eni":
		if has(facts, "/sbin/resolvconf", "/usr/sbin/resolvconf") || resolved && facts.Exists["/etc/network/if-up.d/resolved"] {
			return nil
		}
	case "sysconfig":
		if suse, _ := sysconfigKind(facts); !suse {
			return nil
		}
	default:
		return nil
	}
	var servers, search []string
	dynamic := 0
	for _, l := range r.links {
		for _, s := range addrs(l.dns, 0) {
			if !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		}
		for _, s := range l.search {
			if !slices.Contains(search, s) {
				search = append(search, s)
			}
		}
		if l.dhcp4() && !l.said.no("dhcp4-overrides.use-dns") {
			dynamic = l.line
		}
	}
	if dynamic > 0 && (re.name == "networkd" || re.name == "netplan") {
		why := either(has(facts, resolvedProgram, "/usr"+resolvedProgram), "the root's is a file, not systemd-resolved's link", "the root has no systemd-resolved")
		r.warn(dynamic, "DHCP's name servers reach no %s: %s", resolvConf, why)
	}
	if len(servers)+len(search) == 0 {
		return nil
	}
	t := &text{}
	t.WriteString(heading)
	path := resolvConf
	if resolved {
		// It is resolved's; ifupdown does not tell it.
		path = "/etc/systemd/resolved.conf.d/50-cloud-init.conf"
		t.line("[Resolve]")
		t.set("DNS=", strings.Join(servers, " "))
		t.set("Domains=", strings.Join(search, " "))
		return []plan.Step{t.step(path, 0o644)}
	}
	if len(servers) > 3 {
		r.warn(0, "%s: of %d name servers the C library asks the first three only", path, len(servers))
	}
	for _, s := range servers {
		t.line("nameserver ", s)
	}
	t.set("search ", strings.Join(search, " "))
	if dynamic > 0 && re.name == "eni" {
		r.warn(dynamic, "%s: the DHCP client may write others over these name servers: the root has no resolvconf", path)
	}
	return []plan.Step{t.step(path, 0o644)}
}
